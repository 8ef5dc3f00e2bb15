import Foundation

@testable import Edgeshift

/// A golden transcript: calls on an artifact and their results. docs/reference/transcript.md of edgeshift describes it.
struct Transcript: Decodable {
    struct Detection: Decodable {
        let index: Int
        let label: String
        let score: Double
        let timestamp: Double
    }

    struct Call: Decodable {
        let call: String
        let picture: Int?
        let height: Int?
        let width: Int?
        let time: Double?
        let answer: String?
        let index: Int?
        let logits: String?
        let event: Detection?
        let heard: String?
        let sound: String?
        let first: Int?
        let samples: Int?
        let rate: Int?
    }

    struct RuleCall: Decodable {
        let time: Double
        let logits: String
        let event: Detection?
    }

    struct Bounds: Decodable {
        let logits: Double
    }

    let version: Int
    let runtime: String
    let exact: Bool
    let bounds: Bounds
    let seed: UInt32
    let calls: [Call]
    let ruleCalls: [RuleCall]

    enum CodingKeys: String, CodingKey {
        case version, runtime, exact, bounds, seed, calls
        case ruleCalls = "rule_calls"
    }

    /// Picture number `number`: 14 x 14 coloured cells, which move to the left from one number to the next.
    func picture(_ number: Int, height: Int, width: Int) throws -> Image {
        var pixels: [UInt8] = []
        pixels.reserveCapacity(3 * height * width)
        for row in 0..<height {
            for column in 0..<width {
                let cell = UInt32(4096 * (14 * row / height) + 14 * column / width + number)
                for channel in 0..<UInt32(3) { pixels.append(byte(seed &+ 3 &* cell &+ channel)) }
            }
        }
        return try Image(rgb: pixels, width: width, height: height)
    }

    /// Samples of a sound that is "drawn", "silent" or "clipped": square waves with noise, whose pitch and level change
    /// every 800 samples.
    func samples(_ kind: String, first: Int, count: Int) -> [Float] {
        if kind == "silent" { return [Float](repeating: 0, count: count) }
        return (first..<first + count).map { (number: Int) -> Float in
            let index = UInt32(truncatingIfNeeded: number)
            let noise = 256 * Int(byte(seed &+ 2 &* index)) + Int(byte(seed &+ 2 &* index &+ 1)) - 32768
            let part = index / 800
            let period = 8 + UInt32(byte(seed &+ 1_073_741_824 &+ part)) % 120
            let level = 2 + Int(byte(seed &+ 1_610_612_736 &+ part)) % 8
            let square = index / period % 2 == 1 ? 16384 : -16384
            let value = (square + (noise >> 2)) >> level
            if kind == "clipped" { return value < 0 ? -1 : 1 }
            return Float(value) / 32768
        }
    }

    private func byte(_ index: UInt32) -> UInt8 {
        var mixed = index &* 2_654_435_761
        mixed ^= mixed >> 15
        return UInt8((mixed &* 2_246_822_519) >> 24)
    }

    /// Little-endian float32 numbers in base64.
    static func floats(_ base64: String) -> [Float] {
        let bytes = [UInt8](Data(base64Encoded: base64) ?? Data())
        return stride(from: 0, to: bytes.count, by: 4).map { at in
            Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[at + $1]) << (8 * UInt32($1)) })
        }
    }
}
