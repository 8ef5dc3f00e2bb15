import Foundation

/// A loaded artifact: `LiteRTModel` for .tflite, `CoreMLModel` for .mlpackage. It never changes.
public protocol Model: AnyObject {
    /// The labels, in the order of the logits.
    var labels: [String] { get }
    /// Seconds from one frame to the next, as in training; nil: not known.
    var frameSpacing: Double? { get }
    /// Name and version of the runtime.
    var runtime: String { get }
    /// Start a stream with its own states.
    func stream() throws -> any Stream
    /// Start a spotter with the artifact's event rule, or the default rule if it has none.
    func spotter() throws -> Spotter
    /// Run the self-check of the artifact; nil: this runtime cannot.
    func selfCheck() throws -> SelfCheck?
}

/// One sequence of frames with its states. Use it from one thread at a time.
///
/// Foundation has a class of the same name. Where both are imported, write `any Edgeshift.Stream`.
public protocol Stream: AnyObject {
    /// Run one frame of any size.
    ///
    /// - Parameter time: its time in seconds. If it is given and the artifact knows its frame spacing, a frame that is
    ///   not due is not run, and the previous prediction is returned with `fresh == false`.
    /// - Returns: the prediction; nil: a clip artifact has too few frames so far.
    func step(_ image: Image, at time: Double?) throws -> Prediction?
    /// Start a new sequence.
    func reset() throws
}

extension Stream {
    /// Run one frame without a time. Every frame is then run.
    public func step(_ image: Image) throws -> Prediction? { try step(image, at: nil) }
}
