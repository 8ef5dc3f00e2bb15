import CEdgeshift
import Foundation

/// The result for one frame.
public struct Prediction: Sendable {
    /// Label with the largest logit, and its position.
    public let label: String
    public let index: Int
    /// Softmax probability of the label.
    public let score: Float
    /// One logit per label, not smoothed over frames.
    public let logits: [Float]
    /// False: the frame was not due, or no answer was due, so the previous prediction is repeated.
    public internal(set) var fresh: Bool
    /// Seconds from frame to input tensor, in the runtime, and to the prediction.
    public internal(set) var pre: Double
    public internal(set) var infer: Double
    public internal(set) var post: Double
    /// Whether it contains a sound, or why not; nil: the network has no sound segment.
    public let heard: Heard?
    /// Seconds of the whole step.
    public var seconds: Double { pre + infer + post }

    init(_ answer: es_prediction) {
        label = String(cString: answer.label)
        index = Int(answer.index)
        score = answer.score
        logits = Array(UnsafeBufferPointer(start: answer.logits, count: Int(answer.classes)))
        fresh = answer.fresh != 0
        heard = Heard(rawValue: answer.heard.rawValue)
        (pre, infer, post) = (answer.pre, answer.infer, answer.post)
    }

    /// The prediction from logits that another runtime than the core has computed.
    init(logits: [Float], labels: [String], pre: Double, infer: Double) {
        let largest = logits.max() ?? 0
        index = logits.firstIndex(of: largest) ?? 0
        label = labels[index]
        score = 1 / logits.reduce(0) { $0 + exp($1 - largest) }
        self.logits = logits
        fresh = true
        heard = nil
        (self.pre, self.infer, post) = (pre, infer, 0)
    }
}

/// A detection by an event rule.
public struct Event: Sendable, Equatable {
    public let label: String
    public let index: Int
    /// 0 to 1.
    public let score: Double
    /// Seconds: time of the frame that completed it.
    public let timestamp: Double

    init(_ event: es_event) {
        label = String(cString: event.label)
        index = Int(event.index)
        score = event.score
        timestamp = event.timestamp
    }
}

/// The result of a self-check. A comparison that the artifact does not have is NaN.
public struct SelfCheck: Sendable {
    /// Whether the artifact computes here what it computed where it was converted.
    public let ok: Bool
    /// Test frames, or windows of a clip.
    public let frames: Int
    /// A second run gave the same logits.
    public let repeatable: Bool
    /// Of the logits: what was found, and the most that is accepted.
    public let error, tolerance: Double
    /// Of the state that differs most, in its standard deviations: what was found, and the most that is accepted.
    public let stateError, stateTolerance: Double

    init(_ check: es_check) {
        ok = check.ok != 0
        frames = Int(check.frames)
        repeatable = check.repeatable != 0
        (error, tolerance) = (check.error, check.tolerance)
        (stateError, stateTolerance) = (check.state_error, check.state_tolerance)
    }
}
