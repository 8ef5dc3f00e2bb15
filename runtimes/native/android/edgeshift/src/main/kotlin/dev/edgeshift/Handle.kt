package dev.edgeshift

/**
 * The address of a C object, which is freed once.
 *
 * C objects must not be used by two threads at the same time, and never after they are freed. Every use therefore holds
 * the lock of the handle: a second thread waits, and a use after [close] is an exception instead of a crash.
 */
internal class Handle(private var address: Long, private val kind: String, private val free: (Long) -> Unit) {
    @Synchronized
    fun <T> use(block: (Long) -> T): T {
        if (address == 0L) throw badArgument("the $kind is closed: open a new one")
        return block(address)
    }

    @Synchronized
    fun close() {
        if (address != 0L) free(address)
        address = 0L
    }
}
