#if canImport(CoreML)
import CoreML
import CoreVideo
import Foundation

/// A stream of a Core ML artifact whose states are inputs and outputs of the program.
class CoreMLStream: Stream {
    let model: CoreMLModel
    private let frame: CVPixelBuffer
    private var states: [String: MLFeatureValue] = [:]
    private var last: Prediction?
    private var pacer: Pacer?

    init(_ model: CoreMLModel) throws {
        self.model = model
        frame = try emptyFrame(height: Int(model.core.info.height), width: Int(model.core.info.width))
        try reset()
    }

    func step(_ image: Image, at time: Double?) throws -> Prediction? {
        var next = pacer
        if let time {
            guard time.isFinite else {
                throw EdgeshiftError(.badArgument, "a timestamp of \(time) is not a time in seconds")
            }
            if next?.takes(time) == false, var repeated = last {
                pacer = next
                repeated.fresh = false
                (repeated.pre, repeated.infer, repeated.post) = (0, 0, 0)
                return repeated
            }
        }
        let start = ProcessInfo.processInfo.systemUptime
        try fill(frame, with: model.core.fit(image), isBGR: model.graph.frame.order == "bgr")
        let ready = ProcessInfo.processInfo.systemUptime
        let logits = try run(MLFeatureValue(pixelBuffer: frame))
        let done = ProcessInfo.processInfo.systemUptime
        let answer = Prediction(logits: logits, labels: model.labels, pre: ready - start, infer: done - ready)
        last = answer
        pacer = next  // only after the prediction: a frame that fails must not make the next one early
        return answer
    }

    func hear(_ samples: [Float], at time: Double, rate: Int) throws {
        throw EdgeshiftError(.badArgument, "streams of Core ML take frames only: use a .tflite")
    }

    func deafen() throws { try hear([], at: 0, rate: 0) }

    func reset() throws {
        last = nil
        pacer = model.frameSpacing.map(Pacer.init)
        try restart()
    }

    /// Set the states to their start values.
    func restart() throws {
        let inputs = model.model.modelDescription.inputDescriptionsByName
        for state in model.graph.states {
            guard let constraint = inputs[state.name]?.multiArrayConstraint else {
                throw EdgeshiftError(.badArtifact, "the program has no state \(state.name): convert the model again")
            }
            let array = try MLMultiArray(shape: constraint.shape, dataType: constraint.dataType)
            fill(array, with: state.start ?? 0)
            states[state.name] = MLFeatureValue(multiArray: array)
        }
    }

    /// Run the program once and keep its next states. Returns the logits.
    func run(_ frame: MLFeatureValue) throws -> [Float] {
        var inputs = states
        inputs[model.graph.input.name] = frame
        let output = try model.model.prediction(from: MLDictionaryFeatureProvider(dictionary: inputs))
        for name in states.keys {
            guard let next = output.featureValue(for: "next_" + name) else {
                throw EdgeshiftError(.badArtifact, "the program gave no next_\(name): convert the model again")
            }
            states[name] = next
        }
        return try logits(of: output)
    }

    func logits(of output: MLFeatureProvider) throws -> [Float] {
        guard let array = output.featureValue(for: model.graph.output.name)?.multiArrayValue,
            array.count == model.labels.count
        else { throw EdgeshiftError(.badArtifact, "the program gave no logits: convert the model again") }
        return (0..<array.count).map { array[$0].floatValue }
    }
}

/// A stream of a Core ML artifact whose states Core ML keeps itself.
@available(iOS 18, macOS 15, *)
final class CoreMLStateStream: CoreMLStream {
    private var state: MLState?

    override func restart() throws {
        let fresh = model.model.makeState()
        for tensor in model.graph.states where tensor.start ?? 0 != 0 {
            fresh.withMultiArray(for: tensor.name) { fill($0, with: tensor.start ?? 0) }
        }
        state = fresh
    }

    override func run(_ frame: MLFeatureValue) throws -> [Float] {
        guard let state else { throw EdgeshiftError(.failed, "the stream has no state: call reset") }
        let inputs = try MLDictionaryFeatureProvider(dictionary: [model.graph.input.name: frame])
        return try logits(of: model.model.prediction(from: inputs, using: state))
    }
}

private func fill(_ array: MLMultiArray, with value: Double) {
    for index in 0..<array.count { array[index] = NSNumber(value: value) }
}

/// An image of Core ML, which converts from BGRA to the order of the program itself.
private func emptyFrame(height: Int, width: Int) throws -> CVPixelBuffer {
    var buffer: CVPixelBuffer?
    CVPixelBufferCreate(nil, width, height, kCVPixelFormatType_32BGRA, nil, &buffer)
    guard let buffer else { throw EdgeshiftError(.failed, "there is no memory for a frame") }
    return buffer
}

/// Copy fitted pixels, 3 bytes each, into a frame.
private func fill(_ frame: CVPixelBuffer, with pixels: [UInt8], isBGR: Bool) throws {
    guard CVPixelBufferLockBaseAddress(frame, []) == kCVReturnSuccess,
        let base = CVPixelBufferGetBaseAddress(frame)
    else { throw EdgeshiftError(.failed, "the frame cannot be written") }
    defer { CVPixelBufferUnlockBaseAddress(frame, []) }
    let (height, width) = (CVPixelBufferGetHeight(frame), CVPixelBufferGetWidth(frame))
    let stride = CVPixelBufferGetBytesPerRow(frame)
    let out = base.assumingMemoryBound(to: UInt8.self)
    let (blue, red) = isBGR ? (0, 2) : (2, 0)
    for row in 0..<height {
        for column in 0..<width {
            let from = 3 * (row * width + column)
            let to = row * stride + 4 * column
            out[to] = pixels[from + blue]
            out[to + 1] = pixels[from + 1]
            out[to + 2] = pixels[from + red]
            out[to + 3] = 255
        }
    }
}
#endif
