// swift-tools-version:5.9
// Not built by edgeshift's tests: they have no Swift compiler. They check the syntax and the calls of the C interface.
//
// The Swift package of edgeshift. It stands beside the C++ sources, because a package may not use files outside its
// folder.
//
// On iOS and macOS it has both faces: LiteRT (.tflite) and Core ML (.mlpackage). On Linux it has LiteRT's.
import PackageDescription

let package = Package(
    name: "Edgeshift",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [.library(name: "Edgeshift", targets: ["Edgeshift"])],
    targets: [
        .target(
            name: "CEdgeshift",
            path: ".",
            sources: ["src"],
            publicHeadersPath: "include",
            cxxSettings: [.define("EDGESHIFT_VERSION", to: "\"0.1.0\"")],
            linkerSettings: [.linkedLibrary("z"), .linkedLibrary("dl", .when(platforms: [.linux]))]
        ),
        .target(name: "Edgeshift", dependencies: ["CEdgeshift"], path: "ios/Sources/Edgeshift"),
        .testTarget(
            name: "EdgeshiftTests",
            dependencies: ["Edgeshift"],
            path: "ios/Tests/EdgeshiftTests",
            resources: [.copy("Artifacts")]
        ),
    ],
    cxxLanguageStandard: .cxx17
)
