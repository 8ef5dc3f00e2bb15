// The page as it ships: plain names, no source maps, LiteRT's files beside it; large files packed, as they are served.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";

const OUT = process.env.OUT ?? "built";
const LITERT = "node_modules/@litertjs/core/wasm";

export default defineConfig({
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
      name: "ship",
      closeBundle() {
        mkdirSync(join(OUT, "litert"), { recursive: true });
        for (const file of readdirSync(LITERT)) {
          writeFileSync(join(OUT, "litert", `${file}.gz`), gzipSync(readFileSync(join(LITERT, file)), { level: 9 }));
        }
        for (const file of readdirSync(join(OUT, "page"))) {
          const path = join(OUT, "page", file);
          writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
          rmSync(path);
        }
        copyFileSync("THIRD_PARTY.md", join(OUT, "THIRD_PARTY.md"));
      },
    },
  ],
});
