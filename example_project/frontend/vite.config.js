import { defineConfig } from "vite";

// The site of the example: python -m example_project --port 8000
const site = process.env.EXAMPLE_PROJECT_URL ?? "http://127.0.0.1:8000";

// One origin for the browser: cookies, and no CORS.
const proxy = {
  "/socket-status": { target: site, changeOrigin: true },
  "/ws": { target: site, ws: true, changeOrigin: true },
};

export default defineConfig({
  server: { proxy },
  preview: { proxy },
  // The package is a link into this repository, where there is no React to find.
  resolve: { dedupe: ["react"] },
});
