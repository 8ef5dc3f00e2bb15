import CEdgeshift

/// The C object of a model, which is closed with this object.
final class CoreModel {
    let pointer: OpaquePointer
    let info: es_model_info
    let labels: [String]

    init(_ opened: OpaquePointer?) throws {
        let model = try made(opened)
        pointer = model
        var facts = es_model_info()
        es_model_get_info(model, &facts)
        info = facts
        labels = (0..<facts.classes).map { String(cString: es_model_label(model, $0)) }
    }

    deinit { es_model_close(pointer) }

    var frameSpacing: Double? { info.frame_spacing > 0 ? info.frame_spacing : nil }
    var soundRate: Int? { info.sound_rate > 0 ? Int(info.sound_rate) : nil }
    var description: String { String(cString: es_model_description(pointer)) }
    var runtime: String { String(cString: es_model_runtime(pointer)) }

    /// Fit a picture to the network's size: height x width x 3 bytes, in the network's channel order.
    func fit(_ image: Image) throws -> [UInt8] {
        var pixels = [UInt8](repeating: 0, count: Int(info.height * info.width) * 3)
        try pixels.withUnsafeMutableBufferPointer { out in
            try image.withCImage { try check(es_model_fit(pointer, $0, out.baseAddress)) }
        }
        return pixels
    }
}
