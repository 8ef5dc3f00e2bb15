package dev.edgeshift.android

import android.media.AudioFormat
import android.media.AudioRecord
import android.media.AudioTimestamp
import android.media.MediaRecorder
import dev.edgeshift.EdgeshiftException
import dev.edgeshift.Recognizer
import kotlin.concurrent.thread

/**
 * Gives the sound of the phone's microphone to a recognizer, on a thread of its own. Nothing is stored.
 *
 *     val microphone = Microphone(recognizer, rate = 16000, analyzer.clock) { show(it) }
 *     microphone.start()                       // the user has allowed the permission RECORD_AUDIO
 *
 * Close it before the recognizer is closed.
 *
 * @param rate samples per second, at least [dev.edgeshift.Edgeshift.soundRate].
 * @param clock the clock of the frames' times.
 * @param failed is called with the error after which the microphone stops, on its thread.
 */
class Microphone(
    private val recognizer: Recognizer,
    private val rate: Int,
    private val clock: FrameClock,
    private val failed: (EdgeshiftException) -> Unit,
) : AutoCloseable {
    @Volatile
    private var listening = false
    private var reader: Thread? = null

    /**
     * Open the microphone and begin to listen.
     *
     * @throws EdgeshiftException the microphone cannot be opened.
     */
    @Suppress("MissingPermission") // the app asks for it
    fun start() {
        if (reader?.isAlive == true) return
        val (channel, encoding) = AudioFormat.CHANNEL_IN_MONO to AudioFormat.ENCODING_PCM_FLOAT
        val least = AudioRecord.getMinBufferSize(rate, channel, encoding)
        if (least <= 0) throw failure("this phone does not record $rate samples per second: give another rate")
        val second = rate * Float.SIZE_BYTES
        // This source has no automatic gain and no noise suppression.
        val source = MediaRecorder.AudioSource.VOICE_RECOGNITION
        val record = AudioRecord(source, rate, channel, encoding, maxOf(least, second))
        if (record.state == AudioRecord.STATE_INITIALIZED) record.startRecording()
        if (record.recordingState != AudioRecord.RECORDSTATE_RECORDING) {
            record.release()
            throw failure("the microphone cannot be opened: allow the app to record, and close other apps that do")
        }
        listening = true
        reader = thread(name = "edgeshift microphone") { listen(record) }
    }

    /** Stop listening. The recognizer forgets the sound. */
    override fun close() {
        listening = false
        reader?.join()
        reader = null
    }

    private fun listen(record: AudioRecord) {
        try {
            read(record)
        } catch (error: EdgeshiftException) {
            failed(error)
        } finally {
            record.stop()
            record.release()
        }
        try {
            recognizer.deafen()
        } catch (_: EdgeshiftException) {
            // It is closed, or its network takes no sounds, so there is nothing to forget.
        }
    }

    private fun read(record: AudioRecord) {
        val piece = FloatArray(rate / PIECES)
        var first = 0L // number of the first sample of the piece
        while (listening) {
            val count = record.read(piece, 0, piece.size, AudioRecord.READ_BLOCKING)
            if (count < 0) throw failure("the microphone stopped with Android's error $count: start it again")
            if (count == 0) continue
            recognizer.hear(piece, secondsOf(record, first, count), rate, count)
            first += count
        }
    }

    /** Time of the first sample of a piece that has just been read, on the clock of the frames. */
    private fun secondsOf(record: AudioRecord, first: Long, count: Int): Double {
        val stamp = AudioTimestamp()
        if (record.getTimestamp(stamp, clock.timebase) != AudioRecord.SUCCESS) {
            return clock.nanoseconds() / 1e9 - count.toDouble() / rate
        }
        return stamp.nanoTime / 1e9 + (first - stamp.framePosition).toDouble() / rate
    }

    private fun failure(message: String) = EdgeshiftException(EdgeshiftException.Status.FAILED, message)

    private companion object {
        /** Pieces in a second. */
        const val PIECES = 50
    }
}
