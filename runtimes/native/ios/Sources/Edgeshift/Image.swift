import CEdgeshift
#if canImport(CoreVideo)
import CoreVideo
#endif

/// A picture of any size. Models fit it to the size that their network takes.
public struct Image {
    private enum Storage {
        case rgb([UInt8], width: Int, height: Int)
        #if canImport(CoreVideo)
        case pixelBuffer(CVPixelBuffer)
        #endif
    }

    private let storage: Storage
    /// Degrees, clockwise, after which the picture is upright: 0, 90, 180 or 270.
    public var rotation = 0
    /// True: left and right are exchanged after the rotation. Set it for the front camera, so that the network sees
    /// what the user sees on the screen.
    public var mirrored = false

    /// A picture of 3 bytes per pixel, row by row, without padding.
    public init(rgb: [UInt8], width: Int, height: Int) throws {
        guard width > 0, height > 0, rgb.count == 3 * width * height else {
            throw EdgeshiftError(.badArgument, "\(rgb.count) bytes for \(width)x\(height) pixels: give 3 for each")
        }
        storage = .rgb(rgb, width: width, height: height)
    }

    #if canImport(CoreVideo)
    /// A frame of the camera: BGRA, or YUV in two planes (420f, 420v), as AVFoundation gives them. It is not copied.
    public init(_ buffer: CVPixelBuffer) {
        storage = .pixelBuffer(buffer)
    }
    #endif

    /// Call `body` with the picture as C takes it. The pointers are valid during the call.
    func withCImage<Result>(_ body: (UnsafePointer<es_image>) throws -> Result) throws -> Result {
        var image = es_image()
        image.rotation = Int32(rotation)
        image.mirrored = mirrored ? 1 : 0
        switch storage {
        case .rgb(let bytes, let width, let height):
            return try bytes.withUnsafeBufferPointer { buffer in
                image.format = ES_RGB
                image.width = Int32(width)
                image.height = Int32(height)
                image.planes.0 = buffer.baseAddress
                image.strides.0 = 3 * width
                return try withUnsafePointer(to: image, body)
            }
        #if canImport(CoreVideo)
        case .pixelBuffer(let buffer):
            guard CVPixelBufferLockBaseAddress(buffer, .readOnly) == kCVReturnSuccess else {
                throw EdgeshiftError(.badArgument, "the pixel buffer cannot be read")
            }
            defer { CVPixelBufferUnlockBaseAddress(buffer, .readOnly) }
            try describe(buffer, in: &image)
            return try withUnsafePointer(to: image, body)
        #endif
        }
    }
}

#if canImport(CoreVideo)
/// Write size, format and planes of a locked pixel buffer.
private func describe(_ buffer: CVPixelBuffer, in image: inout es_image) throws {
    image.width = Int32(CVPixelBufferGetWidth(buffer))
    image.height = Int32(CVPixelBufferGetHeight(buffer))
    let format = CVPixelBufferGetPixelFormatType(buffer)
    switch format {
    case kCVPixelFormatType_32BGRA:
        image.format = ES_BGRA
        image.planes.0 = bytes(CVPixelBufferGetBaseAddress(buffer))
        image.strides.0 = CVPixelBufferGetBytesPerRow(buffer)
    case kCVPixelFormatType_420YpCbCr8BiPlanarFullRange, kCVPixelFormatType_420YpCbCr8BiPlanarVideoRange:
        let full = format == kCVPixelFormatType_420YpCbCr8BiPlanarFullRange
        image.format = ES_NV12
        image.planes.0 = bytes(CVPixelBufferGetBaseAddressOfPlane(buffer, 0))
        image.planes.1 = bytes(CVPixelBufferGetBaseAddressOfPlane(buffer, 1))
        image.strides.0 = CVPixelBufferGetBytesPerRowOfPlane(buffer, 0)
        image.strides.1 = CVPixelBufferGetBytesPerRowOfPlane(buffer, 1)
        if isBT709(buffer) {
            image.yuv = full ? ES_BT709_FULL : ES_BT709_VIDEO
        } else {
            image.yuv = full ? ES_BT601_FULL : ES_BT601_VIDEO
        }
    default:
        throw EdgeshiftError(.badArgument, "pixel format \(format): ask the camera for 32BGRA, 420f or 420v")
    }
}

private func bytes(_ address: UnsafeMutableRawPointer?) -> UnsafePointer<UInt8>? {
    address.map { UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) }
}

/// Whether the camera marked its colours as BT.709. Cameras mark them; without a mark they are BT.601.
private func isBT709(_ buffer: CVPixelBuffer) -> Bool {
    let matrix = CVBufferCopyAttachment(buffer, kCVImageBufferYCbCrMatrixKey, nil) as? String
    return matrix == kCVImageBufferYCbCrMatrix_ITU_R_709_2 as String
}
#endif
