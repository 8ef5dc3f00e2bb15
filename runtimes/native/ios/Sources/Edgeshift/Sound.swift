/// Whether a prediction contains a sound, or why not. Without one, it contains the logits of a quiet room.
public enum Heard: UInt32, Sendable {
    /// The prediction contains the sound.
    case heard = 1
    /// No samples were given so far, or since `deafen`.
    case deaf
    /// There are not enough samples since the beginning or since a gap.
    case waiting
    /// The newest sample is more than 0.5 s older than the frame.
    case late
    /// The microphone gives one value only.
    case silent
    /// Many samples are at the largest value that the microphone can give.
    case clipped
}

#if canImport(CoreMedia)
import CoreMedia

/// Samples of a microphone, as AVFoundation gives them.
public struct SoundPiece: Sendable {
    /// One channel, from -1 to 1.
    public let samples: [Float]
    /// Seconds: time of the first sample. Frames of the same capture session have times of the same clock.
    public let time: Double
    /// Samples per second.
    public let rate: Int

    /// Copy the samples of a buffer: 16-bit integers or floats. Of several channels, the first is used.
    public init(_ buffer: CMSampleBuffer) throws {
        guard let format = CMSampleBufferGetFormatDescription(buffer),
            let layout = CMAudioFormatDescriptionGetStreamBasicDescription(format)?.pointee,
            layout.mFormatID == kAudioFormatLinearPCM
        else { throw EdgeshiftError(.badArgument, "the sound is compressed: ask the microphone for linear PCM") }
        let isFloat = layout.mFormatFlags & kAudioFormatFlagIsFloat != 0
        guard layout.mBitsPerChannel == (isFloat ? 32 : 16) else {
            let bits = layout.mBitsPerChannel
            throw EdgeshiftError(.badArgument, "samples of \(bits) bits: ask the microphone for 16 bits or floats")
        }
        time = CMSampleBufferGetPresentationTimeStamp(buffer).seconds
        rate = Int(layout.mSampleRate)
        samples = try buffer.withAudioBufferList { list, _ in
            guard let first = list.first, let data = first.mData else { return [] }
            let (size, step) = (Int(first.mDataByteSize), max(1, Int(first.mNumberChannels)))
            if isFloat {
                let values = data.assumingMemoryBound(to: Float.self)
                return stride(from: 0, to: size / 4, by: step).map { values[$0] }
            }
            let values = data.assumingMemoryBound(to: Int16.self)
            return stride(from: 0, to: size / 2, by: step).map { Float(values[$0]) / 32768 }
        }
    }
}
#endif
