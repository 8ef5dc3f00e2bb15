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
    /// Whether the network takes sounds, whether the microphone is on, and what was heard of it.
    @Published var canListen = false
    @Published var listening = false
    @Published var heard = ""
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
            canListen = model.soundRate != nil
            async let predictions: Void = show(recognizer.predictions)
            async let events: Void = show(recognizer.events)
            _ = await (predictions, events)
        } catch {
            status = "\(error)"
        }
    }

    /// Switch the microphone on or off. It is off until the user switches it on. Nothing is recorded.
    func listen(_ on: Bool) async {
        do {
            if on, await AVCaptureDevice.requestAccess(for: .audio) {
                try frames?.startListening()
                listening = true
                return
            }
            if on { status = "The app needs the microphone: allow it in the settings" }
            frames?.stopListening()
        } catch {
            status = "\(error)"
        }
        listening = false
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
            heard = prediction.heard.map { "\($0)" } ?? ""
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

/// Gives each frame of the front camera, and the sound of the microphone while it is on, to a recognizer. Both come on
/// one queue, with times of the same clock.
final class FrameReader: NSObject {
    private let session: AVCaptureSession
    private let recognizer: Recognizer
    private let queue = DispatchQueue(label: "dev.edgeshift.frames")
    private var microphone: (input: AVCaptureDeviceInput, output: AVCaptureAudioDataOutput)?

    init(_ session: AVCaptureSession, _ recognizer: Recognizer) throws {
        self.session = session
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

    /// Add the microphone to the session.
    func startListening() throws {
        guard microphone == nil else { return }
        guard let device = AVCaptureDevice.default(for: .audio) else { throw NoMicrophone() }
        let (input, output) = (try AVCaptureDeviceInput(device: device), AVCaptureAudioDataOutput())
        guard session.canAddInput(input), session.canAddOutput(output) else { throw NoMicrophone() }
        output.setSampleBufferDelegate(self, queue: queue)
        session.beginConfiguration()
        session.addInput(input)
        session.addOutput(output)
        session.commitConfiguration()
        microphone = (input, output)
    }

    /// Take the microphone out of the session. The recognizer forgets the sound.
    func stopListening() {
        guard let (input, output) = microphone else { return }
        session.beginConfiguration()
        session.removeInput(input)
        session.removeOutput(output)
        session.commitConfiguration()
        microphone = nil
        queue.async { [recognizer] in try? recognizer.deafen() }
    }
}

extension FrameReader: AVCaptureVideoDataOutputSampleBufferDelegate, AVCaptureAudioDataOutputSampleBufferDelegate {
    func captureOutput(
        _ output: AVCaptureOutput, didOutput sample: CMSampleBuffer, from connection: AVCaptureConnection
    ) {
        do {
            if output is AVCaptureAudioDataOutput {
                let piece = try SoundPiece(sample)
                try recognizer.hear(piece.samples, at: piece.time, rate: piece.rate)
            } else {
                try feed(sample)
            }
        } catch {
            print(error)
        }
    }

    private func feed(_ sample: CMSampleBuffer) throws {
        guard let pixels = CMSampleBufferGetImageBuffer(sample) else { return }
        var image = Image(pixels)
        image.mirrored = true  // as the user sees the front camera
        try recognizer.feed(image, at: CMSampleBufferGetPresentationTimeStamp(sample).seconds)
    }
}

struct NoMicrophone: Error, CustomStringConvertible {
    var description: String { "The microphone cannot be used: close other apps that record" }
}

struct NoCamera: Error, CustomStringConvertible {
    var description: String { "This device has no front camera" }
}
