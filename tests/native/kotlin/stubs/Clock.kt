package android.os

/** Android's clock that goes on while the phone sleeps, for tests without Android. Here, it slept for an hour. */
object SystemClock {
    fun elapsedRealtimeNanos() = System.nanoTime() + 3_600_000_000_000L
}
