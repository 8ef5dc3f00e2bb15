import AVFoundation
import Edgeshift
import Foundation

/// Loads the first artifact of the app, checks it, and gives it the frames of the front camera.
@MainActor
final class Watcher: ObservableObject {
    @Published var label = ""
    @Published var times = ""
    @Published var event = ""
    @Published var status = "loading"
    let session = AVCaptureSession()
    private var frames: FrameReader?

    func run() async {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            status = "The app needs the camera: allow it in the settings"
            return
        }
        do {
            let model = try findModel()
            let check = try model.selfCheck()
            let result = check.map { $0.ok ? "self-check passed" : "self-check FAILED" } ?? "no self-check here"
            status = "\(result), \(model.runtime)"
            let recognizer = try Recognizer(model)
            frames = try FrameReader(session, recognizer)
            async let predictions: Void = show(recognizer.predictions)
            async let events: Void = show(recognizer.events)
            _ = await (predictions, events)
        } catch {
            status = "\(error)"
        }
    }

    private func findModel() throws -> any Model {
        if let path = Bundle.main.paths(forResourcesOfType: "tflite", inDirectory: nil).first {
            return try LiteRTModel(path: path)
        }
        if let url = Bundle.main.urls(forResourcesWithExtension: "mlmodelc", subdirectory: nil)?.first {
            return try CoreMLModel(contentsOf: url)
        }
        throw MissingArtifact()
    }

    private func show(_ predictions: AsyncStream<Prediction>) async {
        for await prediction in predictions {
            label = String(format: "%@ %.2f", prediction.label, prediction.score)
            times = String(format: "%.1f ms, of which network %.1f", 1e3 * prediction.seconds, 1e3 * prediction.infer)
        }
    }

    private func show(_ events: AsyncStream<Event>) async {
        for await found in events { event = String(format: "%@ %.2f", found.label, found.score) }
    }
}

struct MissingArtifact: Error, CustomStringConvertible {
    var description: String { "Add an artifact (.tflite or .mlpackage) to the app and build it again" }
}

/// Gives each frame of the front camera to a recognizer, on a queue of its own.
final class FrameReader: NSObject, AVCaptureVideoDataOutputSampleBufferDelegate {
    private let recognizer: Recognizer
    private let queue = DispatchQueue(label: "dev.edgeshift.frames")

    init(_ session: AVCaptureSession, _ recognizer: Recognizer) throws {
        self.recognizer = recognizer
        super.init()
        guard let camera = AVCaptureDevice.default(.builtInWideAngleCamera, for: .video, position: .front) else {
            throw NoCamera()
        }
        let output = AVCaptureVideoDataOutput()
        let format = kCVPixelFormatType_420YpCbCr8BiPlanarFullRange
        output.videoSettings = [kCVPixelBufferPixelFormatTypeKey as String: format]
        output.setSampleBufferDelegate(self, queue: queue)
        session.beginConfiguration()
        session.sessionPreset = .vga640x480
        session.addInput(try AVCaptureDeviceInput(device: camera))
        session.addOutput(output)
        if let connection = output.connection(with: .video) {
            // The sensor lies on its side when the phone is held upright.
            if connection.isVideoRotationAngleSupported(90) { connection.videoRotationAngle = 90 }
            connection.automaticallyAdjustsVideoMirroring = false
            connection.isVideoMirrored = false
        }
        session.commitConfiguration()
        queue.async { session.startRunning() }
    }

    func captureOutput(
        _ output: AVCaptureOutput, didOutput sample: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        guard let pixels = CMSampleBufferGetImageBuffer(sample) else { return }
        var image = Image(pixels)
        image.mirrored = true  // as the user sees the front camera
        let seconds = CMSampleBufferGetPresentationTimeStamp(sample).seconds
        do {
            try recognizer.feed(image, at: seconds)
        } catch {
            print(error)
        }
    }
}

struct NoCamera: Error, CustomStringConvertible {
    var description: String { "This device has no front camera" }
}
