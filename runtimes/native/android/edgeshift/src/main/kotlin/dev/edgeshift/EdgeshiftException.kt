package dev.edgeshift

/** A call failed. The message is one line that says what is wrong and what to do. */
class EdgeshiftException(
    /** Which kind of failure this is. */
    val status: Status,
    message: String,
) : RuntimeException(message) {
    /** Called by the native code, which passes its numbers and its text as they are: an es_status, and UTF-8. */
    @Suppress("unused")
    internal constructor(code: Int, message: ByteArray) : this(Status.of(code), message.decodeToString())

    /** The kinds of failures. The numbers are those of es_status in edgeshift.h. */
    enum class Status(internal val code: Int) {
        /** An argument is not possible, such as a frame without rows. */
        BAD_ARGUMENT(-1),

        /** The file is damaged, is not an artifact, or contradicts itself. */
        BAD_ARTIFACT(-2),

        /** The library of the runtime is missing, or cannot run on this processor. */
        NO_RUNTIME(-3),

        /** The runtime failed, or there is no memory. */
        FAILED(-4);

        internal companion object {
            fun of(code: Int): Status = entries.firstOrNull { it.code == code } ?: FAILED
        }
    }
}

/** Return the exception for an argument that Kotlin refuses before it calls native code. */
internal fun badArgument(message: String) = EdgeshiftException(EdgeshiftException.Status.BAD_ARGUMENT, message)
