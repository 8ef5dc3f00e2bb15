import Foundation
import XCTest

@testable import Edgeshift

/// Runs the artifact whose path is in the environment variable EDGESHIFT_ARTIFACT: `swift test` on Linux or macOS.
final class SelfCheckTests: XCTestCase {
    private func model() throws -> LiteRTModel {
        guard let path = ProcessInfo.processInfo.environment["EDGESHIFT_ARTIFACT"] else {
            throw XCTSkip("set EDGESHIFT_ARTIFACT to the path of a .tflite artifact")
        }
        return try LiteRTModel(path: path)
    }

    func testSelfCheckPasses() throws {
        let result = try XCTUnwrap(model().selfCheck())
        XCTAssertTrue(result.ok, "\(result)")
    }

    func testRestoredStreamContinuesEqually() throws {
        let model = try model()
        let stream = try XCTUnwrap(model.stream() as? LiteRTStream)
        let images = try (0..<4).map { shade in
            try Image(rgb: (0..<(3 * 64 * 48)).map { UInt8(truncatingIfNeeded: $0 * (7 + shade)) }, width: 64, height: 48)
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
