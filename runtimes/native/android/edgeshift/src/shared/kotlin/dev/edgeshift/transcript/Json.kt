package dev.edgeshift.transcript

/**
 * A reader of JSON without dependencies, for tests: objects become maps, lists lists, numbers Double.
 *
 * Android has its own reader, which a desktop's Java lacks.
 */
internal class Json(private val text: String) {
    private var at = 0

    fun read(): Any? = value().also {
        space()
        if (at < text.length) fail("the end")
    }

    private fun value(): Any? {
        space()
        return when (val next = text.getOrNull(at)) {
            '{' -> members()
            '[' -> items()
            '"' -> string()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> if (next == '-' || next in '0'..'9') number() else fail("a value")
        }
    }

    private fun members(): Map<String, Any?> = buildMap {
        sequence('}') {
            space()
            val name = string()
            space()
            take(':')
            put(name, value())
        }
    }

    private fun items(): List<Any?> = buildList { sequence(']') { add(value()) } }

    private inline fun sequence(end: Char, item: () -> Unit) {
        at++
        space()
        if (text.getOrNull(at) == end) {
            at++
            return
        }
        while (true) {
            item()
            space()
            if (text.getOrNull(at) != ',') break
            at++
        }
        take(end)
    }

    private fun string(): String {
        take('"')
        val result = StringBuilder()
        while (true) {
            when (val next = text.getOrNull(at++) ?: fail("the end of a string")) {
                '"' -> return result.toString()
                '\\' -> result.append(escape())
                else -> result.append(next)
            }
        }
    }

    private fun escape(): Char = when (val next = text.getOrNull(at++)) {
        'b' -> '\b'
        'f' -> '\u000c'
        'n' -> '\n'
        'r' -> '\r'
        't' -> '\t'
        'u' -> text.substring(at, at + 4).toInt(16).toChar().also { at += 4 }
        '"', '\\', '/' -> next
        else -> fail("an escape")
    }

    private fun number(): Double {
        val start = at
        while (at < text.length && text[at] in "+-.eE0123456789") at++
        return text.substring(start, at).toDouble()
    }

    private fun word(word: String, value: Any?): Any? {
        if (!text.startsWith(word, at)) fail(word)
        at += word.length
        return value
    }

    private fun take(expected: Char) {
        if (text.getOrNull(at) != expected) fail("'$expected'")
        at++
    }

    private fun space() {
        while (at < text.length && text[at].isWhitespace()) at++
    }

    private fun fail(expected: String): Nothing =
        throw IllegalArgumentException("not JSON: $expected is missing at character $at")
}
