/** Imports with this suffix give the address of a worker's script, which Vite bundles. */
declare module "*?worker&url" {
  const address: string;
  export default address;
}
