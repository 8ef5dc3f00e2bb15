import CEdgeshift

/// A call failed. `message` is one line that says what is wrong and what to do.
public struct EdgeshiftError: Error, CustomStringConvertible, Sendable {
    /// The kinds of failures.
    public enum Kind: Sendable {
        /// An argument is not possible, such as an image without rows.
        case badArgument
        /// The file is damaged, is not an artifact, or contradicts itself.
        case badArtifact
        /// The library of the runtime is missing, or cannot run on this processor.
        case noRuntime
        /// The runtime failed, or there is no memory.
        case failed
    }

    public let kind: Kind
    public let message: String
    public var description: String { message }

    init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// The error of the last call of this thread.
    init(_ status: es_status) {
        switch status {
        case ES_BAD_ARGUMENT: kind = .badArgument
        case ES_BAD_ARTIFACT: kind = .badArtifact
        case ES_NO_RUNTIME: kind = .noRuntime
        default: kind = .failed
        }
        message = String(cString: es_error())
    }
}

/// Throw the error of a call that failed.
func check(_ status: es_status) throws {
    if status.rawValue < 0 { throw EdgeshiftError(status) }
}

/// Return what a call made, or throw its error.
func made(_ pointer: OpaquePointer?) throws -> OpaquePointer {
    guard let pointer else { throw EdgeshiftError(es_error_status()) }
    return pointer
}
