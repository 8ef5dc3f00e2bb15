/** Keeps the screen on while something runs, if the browser supports that. */
let lock: WakeLockSentinel | null = null;
let wanted = false;

/** Keep the screen on (true), or let it switch off again (false). */
export async function keepAwake(awake: boolean): Promise<void> {
  wanted = awake;
  if (!awake) {
    await lock?.release().catch(() => undefined);
    lock = null;
    return;
  }
  // The browser refuses the lock, for example, if the battery is low.
  lock ??= (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
  lock?.addEventListener("release", () => (lock = null));
}

// The browser ends a lock when the page is hidden, so it is requested again when the page is shown.
document.addEventListener("visibilitychange", () => {
  if (wanted && document.visibilityState === "visible") void keepAwake(true);
});
