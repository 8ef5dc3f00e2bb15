import Foundation
import XCTest

@testable import Edgeshift

/// Runs the .tflite artifacts in the folder Artifacts.
final class SelfCheckTests: XCTestCase {
    private func model() throws -> LiteRTModel {
        guard let url = Artifacts.all.first(where: { $0.pathExtension == "tflite" }) else {
            throw XCTSkip("copy a .tflite artifact to Artifacts")
        }
        return try LiteRTModel(path: url.path)
    }

    func testSelfCheckPasses() throws {
        let result = try XCTUnwrap(model().selfCheck())
        XCTAssertTrue(result.ok, "\(result)")
    }

    func testRestoredStreamContinuesEqually() throws {
        let model = try model()
        let stream = try XCTUnwrap(model.stream() as? LiteRTStream)
        let images = try (0..<4).map { (shade: Int) -> Image in
            let pixels = (0..<(3 * 64 * 48)).map { UInt8(truncatingIfNeeded: $0 * (7 + shade)) }
            return try Image(rgb: pixels, width: 64, height: 48)
        }
        _ = try stream.step(images[0], at: nil)
        let state = try stream.save()
        let first = try images.map { try stream.step($0, at: nil)?.logits }
        try stream.restore(state)
        let second = try images.map { try stream.step($0, at: nil)?.logits }
        XCTAssertEqual(first, second)
    }

    func testBadInputIsAnError() throws {
        XCTAssertThrowsError(try LiteRTModel(path: "/no/such/file.tflite"))
        XCTAssertThrowsError(try Image(rgb: [1, 2], width: 1, height: 1))
    }
}
