// Builds the page, with LiteRT's files beside it. Scripts, styles and LiteRT's files are compressed once, here, because
// the server sends them compressed. `--mode python-copies` builds the code that also exists in Python, for the tests.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig, type UserConfig } from "vite";

const OUT = process.env.OUT ?? "built";
const LITERT = "node_modules/@litertjs/core/wasm";

function compress(from: string, to: string): void {
  writeFileSync(`${to}.gz`, gzipSync(readFileSync(from), { level: 9 }));
}

const page: UserConfig = {
  base: "./",
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    rollupOptions: { output: { entryFileNames: "page/[name].js", assetFileNames: "page/[name][extname]" } },
  },
  worker: { format: "iife", rollupOptions: { output: { entryFileNames: "page/[name].js" } } },
  plugins: [
    {
      name: "copy-and-compress",
      closeBundle() {
        mkdirSync(join(OUT, "litert"), { recursive: true });
        for (const file of readdirSync(LITERT)) compress(join(LITERT, file), join(OUT, "litert", file));
        for (const path of readdirSync(join(OUT, "page")).map((file) => join(OUT, "page", file))) {
          compress(path, path);
          rmSync(path);
        }
        copyFileSync("THIRD_PARTY.md", join(OUT, "THIRD_PARTY.md"));
      },
    },
  ],
};
const outDir = process.env.PYTHON_COPIES ?? "python-copies";
const lib = { entry: "src/python-copies.ts", formats: ["es" as const], fileName: () => "python-copies.mjs" };

export default defineConfig(({ mode }) => {
  return mode === "python-copies" ? { build: { outDir, emptyOutDir: true, target: "node20", lib } } : page;
});
