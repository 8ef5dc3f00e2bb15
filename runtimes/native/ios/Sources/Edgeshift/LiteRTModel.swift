import CEdgeshift
import Foundation

/// A .tflite artifact, run by LiteRT.
public final class LiteRTModel: Model {
    let core: CoreModel

    /// Open an artifact.
    ///
    /// - Parameters:
    ///   - path: path of the file, such as `Bundle.main.path(forResource: "gestures", ofType: "tflite")!`.
    ///   - threads: threads of the runtime, 1 to 64.
    ///   - library: path of LiteRT's library; nil: the one in the app, or the usual names.
    public init(path: String, threads: Int = 1, library: String? = LiteRTModel.embeddedLibrary) throws {
        core = try withOptions(threads: threads, library: library) { options in
            try CoreModel(es_model_open(path, options))
        }
    }

    /// Open an artifact in memory. `name` is how messages call it.
    public init(data: Data, name: String, threads: Int = 1, library: String? = LiteRTModel.embeddedLibrary) throws {
        core = try withOptions(threads: threads, library: library) { options in
            try data.withUnsafeBytes { bytes in
                try CoreModel(es_model_open_memory(bytes.baseAddress, bytes.count, name, options))
            }
        }
    }

    public var labels: [String] { core.labels }
    public var frameSpacing: Double? { core.frameSpacing }
    public var soundRate: Int? { core.soundRate }
    public var runtime: String { core.runtime }
    /// The whole description of the artifact, JSON.
    public var description: String { core.description }
    public func stream() throws -> any Stream { try LiteRTStream(core) }
    public func spotter() throws -> Spotter { try Spotter(core) }

    public func selfCheck() throws -> SelfCheck? {
        var result = es_check()
        try check(es_model_self_check(core.pointer, &result))
        return SelfCheck(result)
    }

    /// Fit a picture to the network's size, as a step does: height x width x 3 bytes, in the network's channel order.
    public func fit(_ image: Image) throws -> [UInt8] { try core.fit(image) }

    /// LiteRT's library in the frameworks of the app; nil: there is none, so the usual names are tried.
    public static var embeddedLibrary: String? {
        guard let frameworks = Bundle.main.privateFrameworksPath else { return nil }
        return ["LiteRt.framework/LiteRt", "libLiteRt.dylib"]
            .map { "\(frameworks)/\($0)" }
            .first { FileManager.default.fileExists(atPath: $0) }
    }
}

/// A stream of a .tflite artifact. Its states can be saved and restored.
public final class LiteRTStream: Stream {
    private let pointer: OpaquePointer

    init(_ model: CoreModel) throws {
        pointer = try made(es_stream_new(model.pointer))
    }

    deinit { es_stream_free(pointer) }

    public func step(_ image: Image, at time: Double?) throws -> Prediction? {
        var answer = es_prediction()
        let status = try image.withCImage { es_stream_step(pointer, $0, time ?? .nan, &answer) }
        try check(status)
        return status == ES_OK ? Prediction(answer) : nil
    }

    public func hear(_ samples: [Float], at time: Double, rate: Int) throws {
        try check(es_stream_hear(pointer, samples, samples.count, time, Int32(clamping: rate)))
    }

    public func deafen() throws { try check(es_stream_deafen(pointer)) }

    public func reset() throws { try check(es_stream_reset(pointer)) }

    /// Run one whole clip with a clip artifact: of these images, the middle one of each of its T equal parts is used.
    /// The frames that `step` keeps stay as they are.
    public func clip(_ images: [Image]) throws -> Prediction {
        var answer = es_prediction()
        try withCImages(images[...], []) { try check(es_stream_clip(pointer, $0, Int32(clamping: $0.count), &answer)) }
        return Prediction(answer)
    }

    /// Copy the states, so that `restore` continues from the same point. They contain no time.
    public func save() throws -> [UInt8] {
        var state = [UInt8](repeating: 0, count: es_stream_state_size(pointer))
        try check(es_stream_save(pointer, &state, state.count))
        return state
    }

    /// Continue from states that `save` returned for a stream of the same artifact.
    public func restore(_ state: [UInt8]) throws { try check(es_stream_restore(pointer, state, state.count)) }
}

/// Call `body` with all images as C takes them. The pointers are valid during the call.
private func withCImages(
    _ images: ArraySlice<Image>, _ ready: [es_image], _ body: ([es_image]) throws -> Void
) throws {
    guard let first = images.first else { return try body(ready) }
    try first.withCImage { try withCImages(images.dropFirst(), ready + [$0.pointee], body) }
}

/// Call `body` with options as C takes them. The pointers are valid during the call.
private func withOptions<Result>(
    threads: Int, library: String?, _ body: (UnsafePointer<es_options>) throws -> Result
) rethrows -> Result {
    var options = es_options()
    options.threads = Int32(clamping: threads)
    guard let library else { return try withUnsafePointer(to: options, body) }
    return try library.withCString { path in
        options.library = path
        return try withUnsafePointer(to: options, body)
    }
}
