// What is written twice, as one module for Node: the tests hold it against Python. It does not ship.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: process.env.PORTS ?? "ports",
    emptyOutDir: true,
    target: "node20",
    lib: { entry: "src/ports.ts", formats: ["es"], fileName: () => "ports.mjs" },
  },
});
