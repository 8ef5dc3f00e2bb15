package dev.edgeshift.transcript

import dev.edgeshift.Image
import java.nio.ByteBuffer

/** The pictures of transcripts: 14 x 14 coloured cells, which move to the left from one number to the next. */
internal class Picture(private val seed: Int) {
    fun image(number: Int, height: Int, width: Int): Image {
        val pixels = ByteBuffer.allocateDirect(3 * height * width)
        for (y in 0 until height) {
            for (x in 0 until width) {
                val cell = ROW * (CELLS * y / height) + CELLS * x / width + number
                for (channel in 0 until 3) pixels.put(byte(seed + 3 * cell + channel))
            }
        }
        pixels.flip()
        return Image.rgb(pixels, width, height)
    }

    private fun byte(index: Int): Byte = goldenByte(index).toByte()

    private companion object {
        const val CELLS = 14
        const val ROW = 4096
    }
}

/** The golden byte with a number, 0 to 255. Kotlin's Int overflows as unsigned 32-bit integers do. */
internal fun goldenByte(number: Int): Int {
    var mixed = number * 2654435761L.toInt()
    mixed = mixed xor (mixed ushr 15)
    return (mixed * 2246822519L.toInt()) ushr 24
}
