import Foundation
import XCTest

@testable import Edgeshift

/// Makes the calls of the golden transcripts in the folder Artifacts and compares answers, logits and events.
final class ReplayTests: XCTestCase {
    func testEveryArtifactGivesTheResultsOfItsTranscript() throws {
        try XCTSkipIf(Artifacts.all.isEmpty, "copy an artifact and its transcript to Artifacts")
        for url in Artifacts.all {
            let file = url.deletingPathExtension().appendingPathExtension("transcript.json")
            let transcript = try JSONDecoder().decode(Transcript.self, from: Data(contentsOf: file))
            XCTAssertTrue([1, 2].contains(transcript.version))
            try replay(transcript, Artifacts.open(url))
        }
    }

    private func replay(_ transcript: Transcript, _ model: any Model) throws {
        let kind = transcript.runtime.split(separator: " ").first
        let exact = transcript.exact && model.runtime.split(separator: " ").first == kind
        let stream = try model.stream()
        let spotter = try model.spotter()
        var (saved, squares, count): ([UInt8], Double, Int) = ([], 0, 0)
        calls: for (number, call) in transcript.calls.enumerated() {
            switch call.call {
            case "reset":
                try stream.reset()
                try spotter.reset()
            case "save":
                // Core ML's streams cannot be saved, so the calls after "restore" would differ.
                guard let stream = stream as? LiteRTStream else { break calls }
                saved = try stream.save()
            case "hear":
                guard let kind = call.sound, let first = call.first, let count = call.samples, let rate = call.rate,
                    let time = call.time
                else { continue }
                try stream.hear(transcript.samples(kind, first: first, count: count), at: time, rate: rate)
            case "deafen":
                try stream.deafen()
            case "restore":
                try (stream as? LiteRTStream)?.restore(saved)
                try spotter.reset()
            default:
                guard let picture = call.picture, let height = call.height, let width = call.width else { continue }
                let image = try transcript.picture(picture, height: height, width: width)
                let prediction = try stream.step(image, at: call.time)
                let answer = prediction.map { $0.fresh ? "fresh" : "repeated" } ?? "none"
                XCTAssertEqual(answer, call.answer, "call \(number)")
                XCTAssertEqual(prediction?.heard.map { "\($0)" }, call.heard, "call \(number)")
                guard let prediction, prediction.fresh, let logits = call.logits else { continue }
                let expected = Transcript.floats(logits)
                if exact { XCTAssertEqual(prediction.logits, expected, "call \(number)") }
                squares += zip(prediction.logits, expected).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
                count += expected.count
                let event = try call.time.flatMap { try spotter.feed(prediction, at: $0) }
                compare(event, call.event, exact ? 1e-9 : transcript.bounds.logits, "call \(number)")
            }
        }
        XCTAssertLessThanOrEqual((squares / Double(max(count, 1))).squareRoot(), exact ? 0 : transcript.bounds.logits)
        let rule = try model.spotter()
        for (number, call) in transcript.ruleCalls.enumerated() {
            let logits = Transcript.floats(call.logits)
            let prediction = Prediction(logits: logits, labels: model.labels, pre: 0, infer: 0)
            compare(try rule.feed(prediction, at: call.time), call.event, 1e-9, "rule call \(number)")
        }
    }

    private func compare(_ event: Event?, _ expected: Transcript.Detection?, _ bound: Double, _ place: String) {
        XCTAssertEqual(event?.index, expected?.index, place)
        XCTAssertEqual(event?.label, expected?.label, place)
        XCTAssertEqual(event?.timestamp, expected?.timestamp, place)
        XCTAssertEqual(event?.score ?? 0, expected?.score ?? 0, accuracy: bound, place)
    }
}
