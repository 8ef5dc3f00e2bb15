package dev.edgeshift

import kotlinx.coroutines.channels.BufferOverflow
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableSharedFlow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asSharedFlow
import kotlinx.coroutines.flow.asStateFlow

/**
 * A stream and a spotter for one camera, whose results are flows. Close it after use.
 *
 *     val recognizer = Recognizer(model)
 *     scope.launch { recognizer.events.collect { println(it.label) } }
 *     recognizer.feed(image, seconds)          // from the camera's thread
 */
class Recognizer(model: Edgeshift) : AutoCloseable {
    private val stream = model.stream()
    private val spotter = try {
        model.spotter()
    } catch (failure: Throwable) {
        stream.close()
        throw failure
    }
    private val latest = MutableStateFlow<Prediction?>(null)

    // A camera must not wait for a collector. Events are rare, so a collector that is 64 of them behind has stopped.
    private val detected =
        MutableSharedFlow<Event>(extraBufferCapacity = 64, onBufferOverflow = BufferOverflow.DROP_OLDEST)

    /** The last fresh prediction; null: there is none yet. */
    val predictions: StateFlow<Prediction?> = latest.asStateFlow()

    /** The events, from the moment of collection. The flow does not end. */
    val events: Flow<Event> = detected.asSharedFlow()

    /**
     * Run one frame, and publish what follows from it.
     *
     * @param timestamp time of the frame in seconds.
     * @return the prediction, as [Stream.step] returns it.
     */
    @Synchronized
    fun feed(image: Image, timestamp: Double): Prediction? {
        val prediction = stream.step(image, timestamp) ?: return null
        if (prediction.fresh) {
            latest.value = prediction
            spotter.feed(prediction, timestamp)?.let(detected::tryEmit)
        }
        return prediction
    }

    /** Take the next samples of a microphone; see [Stream.hear]. Any thread may call this. */
    @Synchronized
    fun hear(samples: FloatArray, timestamp: Double, rate: Int, count: Int = samples.size) =
        stream.hear(samples, timestamp, rate, count)

    /** Forget all samples; see [Stream.deafen]. */
    @Synchronized
    fun deafen() = stream.deafen()

    /** Start a new sequence. */
    @Synchronized
    fun reset() {
        stream.reset()
        spotter.reset()
        latest.value = null
    }

    @Synchronized
    override fun close() {
        stream.close()
        spotter.close()
    }
}
