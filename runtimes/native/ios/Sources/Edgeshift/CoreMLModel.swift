#if canImport(CoreML)
import CEdgeshift
import CoreML
import Foundation

/// A .mlpackage artifact, run by Core ML. Frames and events are those of the core. The pace follows the same rule
/// (`Pacer`). The graph is Core ML's.
public final class CoreMLModel: Model {
    let core: CoreModel
    let model: MLModel
    let graph: GraphDescription

    /// Open an artifact.
    ///
    /// - Parameter url: a compiled package (.mlmodelc), which Xcode makes of a .mlpackage in the app, such as
    ///   `Bundle.main.url(forResource: "gestures", withExtension: "mlmodelc")!`; or a .mlpackage, which is compiled
    ///   first.
    public init(contentsOf url: URL, configuration: MLModelConfiguration = MLModelConfiguration()) throws {
        let compiled = url.pathExtension == "mlpackage" ? try MLModel.compileModel(at: url) : url
        model = try MLModel(contentsOf: compiled, configuration: configuration)
        let name = url.lastPathComponent
        let metadata = model.modelDescription.metadata[.creatorDefinedKey] as? [String: String]
        guard let description = metadata?["edgeshift/spec.json"] else {
            throw EdgeshiftError(.badArtifact, "\(name): it has no description: convert it with `edgeshift convert`")
        }
        core = try CoreModel(es_model_open_description(description, description.utf8.count, name))
        graph = try JSONDecoder().decode(GraphDescription.self, from: Data(description.utf8))
        if core.info.hop > 0 {
            throw EdgeshiftError(.badArgument, "\(name): a clip artifact: convert for streams, or use a .tflite")
        }
        if core.soundRate != nil {
            let line = "the network has a sound segment, and streams of Core ML take frames only: use a .tflite"
            throw EdgeshiftError(.badArgument, "\(name): \(line)")
        }
    }

    public var labels: [String] { core.labels }
    public var frameSpacing: Double? { core.frameSpacing }
    public var soundRate: Int? { nil }
    public var runtime: String { "Core ML" }
    public func spotter() throws -> Spotter { try Spotter(core) }

    public func stream() throws -> any Stream {
        if graph.stateForm != "native" { return try CoreMLStream(self) }
        guard #available(iOS 18, macOS 15, *) else {
            throw EdgeshiftError(.noRuntime, "native states need iOS 18 or macOS 15: convert with --state io")
        }
        return try CoreMLStateStream(self)
    }

    /// Core ML has none: `edgeshift verify` on a Mac checks the package.
    public func selfCheck() throws -> SelfCheck? { nil }
}

/// The fields of a description that say how Core ML's program is called.
struct GraphDescription: Decodable {
    struct Tensor: Decodable {
        let name: String
        let start: Double?
    }

    struct Frame: Decodable {
        let order: String?
    }

    let stateForm: String?
    let frame: Frame
    let input: Tensor
    let output: Tensor
    let states: [Tensor]

    enum CodingKeys: String, CodingKey {
        case frame, input, output, states
        case stateForm = "state_form"
    }
}
#endif
