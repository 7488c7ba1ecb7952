/** Every limit of the payload decoders, by name, with what happens at it. Sizes are bytes, times milliseconds. */
import { LIMITS } from '../../../shared/limits.ts';

export const DECODE_LIMITS = {
  /** Of a payload that no decoder was named for. Over it: text and hex show its head, the guessing decoders refuse. */
  guessBytes: 64 * 1024,
  /** Of a payload whose decoder the user named. No honest command is longer. Over it: the decoder refuses. */
  namedBytes: LIMITS.commandBytes,
  /** One line, in characters. Over it: cut, with a sign. */
  lineChars: 400,
  /** The text of several lines, in characters. Over it: cut, with a sign. */
  textChars: 64 * 1024,
  /** A byte string inside a payload, as shown. Over it: cut, and its length is told. */
  shownBytes: 256,
  /** Values within values. Over it: the decoder refuses. */
  depth: 64,
  /** Payload shown by the hex dump. Over it: cut, and the whole length is told. */
  hexBytes: 8 * 1024,
  /** One `.proto` file, and how many one type may need. Over it: the schema is refused. */
  protoBytes: 1024 * 1024,
  protoFiles: 64,
  /** From a frame being the oldest unanswered one of a decoder process to its answer. Over it: the process is killed. */
  frameMs: 2_000,
  /** The same for the first frame of a run: the program has to start. */
  startMs: 10_000,
  /** One answer line of a decoder process. Over it: the process is killed. */
  answerBytes: 1024 * 1024,
  /** What is kept of a decoder's last words on stderr. Older ones are forgotten. */
  stderrChars: 2_000,
  /** Frames sent to a decoder process and not answered. Then the next ones wait. */
  framesInFlight: 64,
  /** Frames that wait for a decoder process. Over it: the frame is refused, and built-in decoders show it. */
  framesWaiting: 10_000,
  /** How often a decoder process is started again after it ended or was killed. Then it is given up. */
  restarts: 3,
  /** All payloads of one window. What is not decoded by then is shown by the built-in decoders. */
  windowMs: 10_000,
} as const;
