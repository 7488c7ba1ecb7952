/** A canvas made as large as its place, in the screen's own pixels. */

/** The context, scaled so that one unit is one CSS pixel, and cleared; undefined while there is no place to draw. */
export function surface(canvas: HTMLCanvasElement, height: number): Surface | undefined {
  const width = canvas.clientWidth;
  const context = canvas.getContext('2d');
  if (context === null || width === 0) return undefined;
  const ratio = globalThis.devicePixelRatio || 1;
  const pixels = { width: Math.round(width * ratio), height: Math.round(height * ratio) };
  // Setting the size clears; doing so needlessly costs.
  if (canvas.width !== pixels.width || canvas.height !== pixels.height) {
    canvas.width = pixels.width;
    canvas.height = pixels.height;
    canvas.style.height = `${height}px`;
  }
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

export interface Surface {
  readonly context: CanvasRenderingContext2D;
  readonly width: number;
  readonly height: number;
}

/** Slanted lines (or dots) in one colour, for areas that differ in more than colour. */
export function hatch(
  context: CanvasRenderingContext2D,
  colour: string,
  kind: 'LINES' | 'DOTS',
): CanvasPattern | string {
  const tile = document.createElement('canvas');
  tile.width = 8;
  tile.height = 8;
  const pen = tile.getContext('2d');
  if (pen === null) return colour;
  pen.fillStyle = colour;
  pen.strokeStyle = colour;
  if (kind === 'DOTS') {
    pen.fillRect(1, 1, 1.5, 1.5);
    pen.fillRect(5, 5, 1.5, 1.5);
  } else {
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const shift of [-8, 0, 8]) {
      pen.moveTo(shift, 8);
      pen.lineTo(shift + 8, 0);
    }
    pen.stroke();
  }
  return context.createPattern(tile, 'repeat') ?? colour;
}
