package android.media

/** Android's constants and classes of sound, as far as the library uses them, for tests without Android. */
object AudioFormat {
    const val CHANNEL_IN_MONO = 16
    const val ENCODING_PCM_FLOAT = 4
}

object MediaRecorder {
    object AudioSource {
        const val VOICE_RECOGNITION = 6
    }
}

class AudioTimestamp {
    @JvmField var framePosition = 0L
    @JvmField var nanoTime = 0L

    companion object {
        const val TIMEBASE_MONOTONIC = 0
        const val TIMEBASE_BOOTTIME = 1
    }
}

/** A microphone that gives the samples of [sound], and then fails with [end] or waits. */
class AudioRecord(val source: Int, val rate: Int, val channel: Int, val encoding: Int, val bytes: Int) {
    val state get() = if (allowed) STATE_INITIALIZED else 0
    var recordingState = 1
        private set

    fun startRecording() {
        recordingState = RECORDSTATE_RECORDING
    }

    fun read(audioData: FloatArray, offsetInFloats: Int, sizeInFloats: Int, readMode: Int): Int {
        check(readMode == READ_BLOCKING && recordingState == RECORDSTATE_RECORDING && released == 0)
        val count = minOf(sizeInFloats, sound.size - given)
        if (count == 0) {
            Thread.sleep(2)
            return end
        }
        sound.copyInto(audioData, offsetInFloats, given, given + count)
        given += count
        return count
    }

    /** The newest sample was recorded at [start] and the time of all samples. */
    fun getTimestamp(outTimestamp: AudioTimestamp, timebase: Int): Int {
        if (timebase != AudioTimestamp.TIMEBASE_BOOTTIME) return -3
        outTimestamp.framePosition = given.toLong()
        outTimestamp.nanoTime = start + given * 1_000_000_000L / rate
        return SUCCESS
    }

    fun stop() {
        recordingState = 1
    }

    fun release() {
        released++
    }

    companion object {
        const val STATE_INITIALIZED = 1
        const val RECORDSTATE_RECORDING = 3
        const val READ_BLOCKING = 0
        const val SUCCESS = 0

        @Volatile var sound = FloatArray(0)
        @Volatile var given = 0
        @Volatile var released = 0
        var allowed = true
        var end = 0
        var start = 0L

        fun getMinBufferSize(sampleRateInHz: Int, channelConfig: Int, audioFormat: Int) =
            if (sampleRateInHz == 11_111) -2 else 2 * sampleRateInHz / 10
    }
}
