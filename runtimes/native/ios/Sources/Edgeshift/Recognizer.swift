/// A stream and a spotter for one camera, whose results are asynchronous sequences. Use it from one thread at a time.
///
///     let recognizer = try Recognizer(model)
///     Task { for await event in recognizer.events { print(event.label) } }
///     try recognizer.feed(Image(pixelBuffer), at: seconds)        // from the camera's queue
public final class Recognizer {
    /// The events. Read it from one task; it ends with this object.
    public let events: AsyncStream<Event>
    /// The fresh predictions. A task that is slower than the camera gets the last one.
    public let predictions: AsyncStream<Prediction>
    private let eventSink: AsyncStream<Event>.Continuation
    private let predictionSink: AsyncStream<Prediction>.Continuation
    private let stream: any Stream
    private let spotter: Spotter

    public init(_ model: any Model) throws {
        stream = try model.stream()
        spotter = try model.spotter()
        // A camera must not wait for a reader. Events are rare, so a reader that is 64 of them behind has stopped.
        (events, eventSink) = AsyncStream.makeStream(of: Event.self, bufferingPolicy: .bufferingNewest(64))
        (predictions, predictionSink) = AsyncStream.makeStream(
            of: Prediction.self, bufferingPolicy: .bufferingNewest(1))
    }

    deinit {
        eventSink.finish()
        predictionSink.finish()
    }

    /// Run one frame, and publish what follows from it.
    ///
    /// - Parameter time: time of the frame in seconds.
    @discardableResult
    public func feed(_ image: Image, at time: Double) throws -> Prediction? {
        guard let prediction = try stream.step(image, at: time) else { return nil }
        if prediction.fresh {
            predictionSink.yield(prediction)
            if let event = try spotter.feed(prediction, at: time) { eventSink.yield(event) }
        }
        return prediction
    }

    /// Take the next samples of a microphone; see `Stream.hear`.
    public func hear(_ samples: [Float], at time: Double, rate: Int) throws {
        try stream.hear(samples, at: time, rate: rate)
    }

    /// Forget all samples; see `Stream.deafen`.
    public func deafen() throws { try stream.deafen() }

    /// Start a new sequence.
    public func reset() throws {
        try stream.reset()
        try spotter.reset()
    }
}
