package dev.edgeshift.android

import android.media.AudioTimestamp
import android.os.SystemClock
import kotlin.math.abs

/**
 * The clock that a camera takes for the times of its frames. Android leaves the choice to the maker of the phone.
 *
 * The two clocks differ by the time that the phone has slept since its start.
 */
enum class FrameClock(internal val timebase: Int) {
    /** It stands still while the phone sleeps. */
    MONOTONIC(AudioTimestamp.TIMEBASE_MONOTONIC) {
        override fun nanoseconds() = System.nanoTime()
    },

    /** It goes on while the phone sleeps. */
    BOOT(AudioTimestamp.TIMEBASE_BOOTTIME) {
        override fun nanoseconds() = SystemClock.elapsedRealtimeNanos()
    };

    /** The time now. */
    abstract fun nanoseconds(): Long

    companion object {
        /** The clock whose time is closest to that of a frame that has just arrived, in nanoseconds. */
        fun of(frame: Long): FrameClock = entries.minBy { abs(it.nanoseconds() - frame) }
    }
}
