import CEdgeshift

/// Applies the artifact's event rule to the predictions of one stream. Use it from one thread at a time.
public final class Spotter {
    private let pointer: OpaquePointer
    private let classes: Int
    /// The labels of events belong to the model.
    private let model: CoreModel

    init(_ model: CoreModel) throws {
        pointer = try made(es_spotter_new(model.pointer))
        classes = model.labels.count
        self.model = model
    }

    deinit { es_spotter_free(pointer) }

    /// Take a prediction. One that is not fresh changes nothing.
    ///
    /// - Parameter time: time of its frame in seconds.
    public func feed(_ prediction: Prediction, at time: Double) throws -> Event? {
        guard prediction.fresh else { return nil }
        guard prediction.logits.count == classes else {
            let count = prediction.logits.count
            throw EdgeshiftError(.badArgument, "\(count) logits for \(classes) labels: give those of this model")
        }
        var event = es_event()
        let found = es_spotter_feed(pointer, prediction.logits, time, &event)
        if found < 0 { throw EdgeshiftError(es_status(rawValue: found)) }
        return found > 0 ? Event(event) : nil
    }

    /// Forget all predictions.
    public func reset() throws { try check(es_spotter_reset(pointer)) }
}
