import android.media.AudioRecord
import android.os.SystemClock
import dev.edgeshift.Edgeshift
import dev.edgeshift.EdgeshiftException
import dev.edgeshift.Image
import dev.edgeshift.Recognizer
import dev.edgeshift.android.FrameClock
import dev.edgeshift.android.Microphone
import java.nio.ByteBuffer

private const val RATE = 16_000

/** Prints what a recognizer hears of a microphone that is a stub, and how the microphone fails. */
internal fun printMicrophone(model: Edgeshift) {
    println(FrameClock.of(System.nanoTime() - 20_000_000))
    println(FrameClock.of(SystemClock.elapsedRealtimeNanos() - 20_000_000))
    val gray = Image.rgb(ByteBuffer.allocateDirect(3), 1, 1)
    val start = 100_000_000_000L
    AudioRecord.start = start
    AudioRecord.sound = FloatArray(2 * RATE) { ((it * 7919L % 1000) / 5000.0 - 0.1).toFloat() }
    Recognizer(model).use { recognizer ->
        fun heard(time: Double) = println(recognizer.feed(gray, time)!!.heard)
        heard(100.0)
        Microphone(recognizer, RATE, FrameClock.BOOT) { println("failed: ${it.message}") }.use { microphone ->
            microphone.start()
            microphone.start() // nothing more is opened
            while (AudioRecord.given < AudioRecord.sound.size) Thread.sleep(5)
            Thread.sleep(100) // until the last piece is heard
            heard(102.25) // the sound ended at 102 s
            heard(102.75)
        }
        println("released ${AudioRecord.released}")
        heard(103.0)
        AudioRecord.released = 0
        AudioRecord.end = -6
        Microphone(recognizer, RATE, FrameClock.BOOT) { println("failed: ${it.message}") }.apply {
            start()
            Thread.sleep(200)
            close()
            close()
        }
        fun refused(rate: Int) = try {
            Microphone(recognizer, rate, FrameClock.BOOT) { println("failed: ${it.message}") }.start()
        } catch (error: EdgeshiftException) {
            println("${error.status}: ${error.message}")
        }
        refused(11_111)
        AudioRecord.allowed = false
        refused(RATE)
        println("released ${AudioRecord.released}")
    }
}
