/** Style sheets are bundled by esbuild into panel.css. */
declare module '*.css';
