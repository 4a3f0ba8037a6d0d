// swift-tools-version: 6.2
import PackageDescription

/// Language settings shared by every Swift target. Warnings are errors where CI says so.
let swiftSettings: [SwiftSetting] =
    [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("ExistentialAny"),
    ] + (Context.environment["CI"] == nil ? [] : [.treatAllWarnings(as: .error)])

func target(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
    .testTarget(
        name: name, dependencies: dependencies + ["TestSupport"], resources: resources,
        swiftSettings: swiftSettings)
}

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "SparseLoRA",
    products: [
        .library(name: "SparseLoRA", targets: ["SparseLoRA"]),
        .executable(name: "sparselora", targets: ["CommandLineTool"]),
        .executable(name: "Benchmarks", targets: ["Benchmarks"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
    ],
    targets: [
        // Inner loops are useless unoptimised, so this target alone is always built with -O3.
        .target(
            name: "CKernels",
            cSettings: [.unsafeFlags(["-O3", "-std=c17", "-Wall", "-Wextra", "-fno-math-errno"])]),
        target("FileSupport", []),
        target("TensorEngine", ["CKernels"]),
        target("Checkpoints", ["CKernels", "FileSupport"]),
        target("ConfigurationFiles", ["FileSupport", yams]),
        target("Tokenization", ["FileSupport", "Checkpoints"]),
        target("ChatTemplates", ["FileSupport"]),
        target("Models", ["FileSupport", "TensorEngine", "Checkpoints"]),
        target("Adapters", ["FileSupport", "TensorEngine", "Checkpoints", "Models"]),
        target(
            "ContextualSparsity",
            ["FileSupport", "ConfigurationFiles", "TensorEngine", "Checkpoints", "Models"]),
        target(
            "Training",
            [
                "FileSupport", "ConfigurationFiles", "TensorEngine", "Checkpoints", "Tokenization",
                "ChatTemplates", "Models", "Adapters", "ContextualSparsity",
            ]),
        target(
            "Evaluation",
            ["Training", "TensorEngine", "Models", "Tokenization", "ChatTemplates", "FileSupport"]),
        target(
            "SparseLoRA",
            [
                "FileSupport", "TensorEngine", "Checkpoints", "Tokenization", "ChatTemplates", "Models",
                "Adapters", "ContextualSparsity", "Training", "Evaluation",
            ]),
        .executableTarget(
            name: "CommandLineTool", dependencies: ["SparseLoRA", argumentParser],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "SparseLoRA", "CKernels", "FileSupport", "TensorEngine", "Checkpoints", "Models", "Adapters",
                "ContextualSparsity", "Tokenization", "Training", argumentParser,
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "TestSupport", dependencies: ["FileSupport", "TensorEngine", "Checkpoints", "Models"],
            path: "Tests/TestSupport", swiftSettings: swiftSettings),
        tests("FileSupportTests", ["FileSupport"]),
        tests("TensorEngineTests", ["TensorEngine", "CKernels"]),
        tests("CheckpointsTests", ["Checkpoints", "CKernels", "FileSupport"]),
        tests("TokenizationTests", ["Tokenization", "Checkpoints", "FileSupport"]),
        tests("ChatTemplatesTests", ["ChatTemplates", "FileSupport"], resources: [.copy("Goldens")]),
        tests("ModelsTests", ["Adapters", "Models"]),
        tests("AdaptersTests", ["Adapters", "Models"]),
        tests(
            "TrainingTests",
            [
                "Training", "ConfigurationFiles", "Adapters", "Checkpoints", "Models", "TensorEngine",
                "Tokenization", "ChatTemplates", "FileSupport",
            ]),
        tests(
            "ContextualSparsityTests",
            [
                "ContextualSparsity", "ConfigurationFiles", "FileSupport", "TensorEngine", "Checkpoints",
                "Models", "Adapters",
            ]),
        tests("EvaluationTests", ["Evaluation"]),
        tests(
            "BenchmarksTests",
            ["Benchmarks", "ContextualSparsity", "Models", "FileSupport", argumentParser]),
        tests(
            "CommandLineToolTests",
            [
                "CommandLineTool", "SparseLoRA", "Training", "Checkpoints", "FileSupport", "Tokenization",
                "ChatTemplates", argumentParser,
            ]),
    ]
)
