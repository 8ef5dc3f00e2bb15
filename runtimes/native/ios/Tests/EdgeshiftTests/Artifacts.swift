import Foundation

@testable import Edgeshift

/// The artifacts in the folder Artifacts of this test.
enum Artifacts {
    static var all: [URL] {
        let folder = Bundle.module.resourceURL?.appendingPathComponent("Artifacts")
        let files = FileManager.default
        let found = folder.flatMap { try? files.contentsOfDirectory(at: $0, includingPropertiesForKeys: nil) }
        return (found ?? []).filter { ["tflite", "mlpackage"].contains($0.pathExtension) }
    }

    /// Open an artifact. On Linux, the variable EDGESHIFT_LITERT names LiteRT's library.
    static func open(_ url: URL) throws -> any Model {
        #if canImport(CoreML)
        if url.pathExtension == "mlpackage" { return try CoreMLModel(contentsOf: url) }
        #endif
        return try LiteRTModel(path: url.path)
    }
}
