/** Lines of the tests inside the editor for the terminal outside, such as measurements. */
export const notes: string[] = [];

export function note(line: string): void {
  notes.push(line);
}
