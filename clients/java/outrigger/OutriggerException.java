package outrigger;

/**
 * A request failed. {@link #definite}: it did not and will not happen. Otherwise it may have happened, or may still happen.
 *
 * <p>Branch on that and not on the code: new codes may come. The client's own are NOT_SENT, CONNECTION_LOST and WRONG_CLUSTER.
 */
public class OutriggerException extends Exception {
  private static final long serialVersionUID = 1;

  public final String code;
  public final boolean definite;
  /** When the node wants to be asked again, in ms; 0 where it does not say. */
  public final long retryAfterMs;

  public OutriggerException(String code, boolean definite, String message) {
    this(code, definite, message, 0);
  }

  public OutriggerException(String code, boolean definite, String message, long retryAfterMs) {
    super(message);
    this.code = code;
    this.definite = definite;
    this.retryAfterMs = retryAfterMs;
  }

  /**
   * The session is gone, and with it the knowledge of what it did not answer. {@link #definite}: <i>this</i> command surely did not
   * happen. Whatever is done next needs another session.
   */
  public static final class SessionLost extends OutriggerException {
    private static final long serialVersionUID = 1;

    SessionLost(boolean definite, String message) {
      super("SESSION_UNKNOWN", definite, message);
    }
  }
}
