import Foundation

/// A loaded artifact: `LiteRTModel` for .tflite, `CoreMLModel` for .mlpackage. It never changes.
public protocol Model: AnyObject {
    /// The labels, in the order of the logits.
    var labels: [String] { get }
    /// Seconds from one frame to the next, as in training; nil: not known.
    var frameSpacing: Double? { get }
    /// Lowest samples per second that a stream hears; nil: the network has no sound segment.
    var soundRate: Int? { get }
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
    /// Take the next samples of a microphone, for a network with a sound segment. Give the samples up to the time of a
    /// frame before the frame. The sound runs inside `step` when it is due.
    ///
    /// - Parameters:
    ///   - samples: one channel, from -1 to 1.
    ///   - time: time of the first sample in seconds, on the clock of the frames. A piece that begins more than 0.03 s
    ///     before or after the end of the piece before it comes after a gap: the sound so far is forgotten.
    ///   - rate: samples per second, from `Model.soundRate` to 384,000. A sound is not resampled.
    func hear(_ samples: [Float], at time: Double, rate: Int) throws
    /// Forget all samples, for example when the microphone is switched off. `reset` does this as well.
    func deafen() throws
    /// Start a new sequence.
    func reset() throws
}

extension Stream {
    /// Run one frame without a time. Every frame is then run.
    public func step(_ image: Image) throws -> Prediction? { try step(image, at: nil) }
}
