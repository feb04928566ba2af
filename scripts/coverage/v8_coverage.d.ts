/** The part of a package without types that is used here. */
declare module "@bcoe/v8-coverage" {
  /** What one process, or several together, counted in one file. Ranges are nested, the first one is the whole function. */
  export interface ScriptCov {
    readonly url: string;
    readonly functions: readonly {
      readonly ranges: readonly { readonly startOffset: number; readonly endOffset: number; readonly count: number }[];
    }[];
  }
  /** Adds up what several processes counted in the same file. */
  export function mergeScriptCovs(scripts: readonly ScriptCov[]): ScriptCov | undefined;
}
