// Flags of training: each says the same as a configuration key.

import ArgumentParser
import FileSupport
import TestSupport
import Testing

@testable import CommandLineTool
@testable import SparseLoRA

@Suite struct TrainingFlagsTests {
    /// Every flag with its argument, empty where it takes none, the key that it sets, and the value there.
    private static let flags: [(flag: String, argument: String, key: String, value: JSONValue)] = [
        ("--model", "m", "model", .string("m")), ("--data", "d", "data.training", .string("d")),
        ("--output", "o", "output_folder", .string("o")),
        ("--adapter-path", "o", "output_folder", .string("o")),
        ("--dtype", "float32", "compute_type", .string("float32")),
        ("--rank", "3", "adapter.rank", .integer(3)), ("--alpha", "5", "adapter.alpha", .number(5)),
        ("--dropout", "0.25", "adapter.dropout", .number(0.25)),
        ("--targets", "q_proj,v_proj", "adapter.targets", .array([.string("q_proj"), .string("v_proj")])),
        ("--num-layers", "2", "adapter.last_layers", .integer(2)),
        ("--sparsity", "0.7", "sparsity.plan", .number(0.7)),
        ("--batch-size", "7", "batch_size", .integer(7)),
        ("--gradient-accumulation", "2", "gradient_accumulation", .integer(2)),
        ("--grad-accumulation-steps", "2", "gradient_accumulation", .integer(2)),
        ("--activation-checkpointing", "", "activation_checkpointing", .bool(true)),
        ("--grad-checkpoint", "", "activation_checkpointing", .bool(true)),
        ("--epochs", "1.5", "epochs", .number(1.5)), ("--iters", "9", "steps", .integer(9)),
        ("--steps", "9", "steps", .integer(9)),
        ("--learning-rate", "1e-3", "optimizer.learning_rate", .number(1e-3)),
        ("--lr", "1e-3", "optimizer.learning_rate", .number(1e-3)),
        ("--schedule", "cosine", "schedule.kind", .string("cosine")),
        ("--max-length", "64", "data.sequence_length", .integer(64)),
        ("--max-seq-length", "64", "data.sequence_length", .integer(64)),
        ("--steps-per-eval", "4", "validation.interval", .integer(4)),
        ("--save-every", "5", "checkpoints.interval", .integer(5)), ("--seed", "11", "seed", .integer(11)),
        ("--trace", "t", "trace.file", .string("t")),
        ("--save-initial-adapter", "a", "trace.initial_adapter", .string("a")),
        ("--profile", "p.json", "profile.file", .string("p.json")),
    ]

    @Test(arguments: flags.indices)
    func flagSetsItsKeyAndNothingElse(_ index: Int) throws {
        let (flag, argument, key, value) = Self.flags[index]
        let arguments = argument.isEmpty ? [flag] : [flag, argument]
        let document = try TrainingFlags.parse(arguments).configuration().document
        #expect(at(key, document) == value)
        let defaults = TrainingConfiguration().document
        for (other, _) in leaves(defaults) where other != key {
            #expect(at(other, document) == at(other, defaults), "\(flag) changed \(other)")
        }
    }

    @Test func everyFlagIsInTheTableAbove() {
        let help = SparseLoRACommand.helpMessage(for: TrainCommand.self, columns: 200)
        let options = help.split(separator: "\n").filter { $0.hasPrefix("  -") }
        var names = Set<String>()
        for word in options.flatMap({
            $0.split(separator: "  ")[0].split(whereSeparator: { ", ".contains($0) })
        })
        where word.hasPrefix("--") {
            names.insert(String(word))
        }
        let others = [
            "--config", "--set", "--resume", "--overwrite", "--json", "--print-config", "--version",
        ]
        #expect(names.subtracting(others + ["--help"]) == Set(Self.flags.map(\.flag)))
    }

    @Test func profileWithoutAFileGoesIntoTheRunsFolder() throws {
        let flags = try TrainingFlags.parse(["--profile", "--rank", "3"])
        let configuration = try flags.configuration()
        #expect(configuration.profile.file == "auto")
        #expect(configuration.adapter.rank == 3)
        #expect(try TrainingFlags.parse([]).configuration().profile.file == nil)
    }

    @Test func flagsWinOverAssignmentsAndThoseOverTheFile() throws {
        try withTemporaryFolder { folder in
            let file = "\(folder)/run.yaml"
            try AtomicFile.write(to: file, text: "adapter:\n  rank: 2\n  alpha: 3\nbatch_size: 5\n")
            let configuration = try TrainingFlags.parse([
                "-c", file, "--set", "adapter.alpha=6", "--set", "batch_size=8", "--batch-size", "9",
            ]).configuration()
            #expect(configuration.adapter.rank == 2)
            #expect(configuration.adapter.alpha == 6)
            #expect(configuration.batchSize == 9)
        }
    }

    @Test(arguments: [
        ("optimizer.learning_rat=1", "learning_rate"), ("adaptr.rank=4", "adapter"),
        ("rank=4", "adapter.rank"), ("lora_alfa=4", "lora_alpha"),
    ])
    func unknownKeyGivesTheNearestName(_ assignment: String, _ nearest: String) throws {
        let error = #expect(throws: InputError.self) {
            try TrainingFlags.parse(["--set", assignment]).configuration()
        }
        #expect(error?.location.contains("--set \(assignment)") == true)
        #expect(error?.advice?.contains("\"\(nearest)\"") == true, "\(error?.description ?? "")")
    }

    @Test(arguments: [["--rank=0"], ["--targets=,"], ["--schedule=wavy"], ["--learning-rate=-1"]])
    func valueOutOfRangeNamesTheFlag(_ arguments: [String]) throws {
        let error = #expect(throws: InputError.self) { try TrainingFlags.parse(arguments).configuration() }
        let flag = arguments[0].prefix { $0 != "=" }
        #expect(error?.location.hasPrefix(flag) == true, "\(error?.description ?? "")")
    }

    @Test func seedThatNoConfigurationCanHoldIsAUsageError() {
        #expect(throws: (any Error).self) { try TrainingFlags.parse(["--seed", "18446744073709551615"]) }
    }

    private func at(_ path: String, _ document: JSONValue) -> JSONValue? {
        path.split(separator: ".").reduce(document) { $0?[String($1)] }
    }

    private func leaves(_ document: JSONValue, _ path: String = "") -> [(String, JSONValue)] {
        guard case .object(let object) = document, object.count > 0 else { return [(path, document)] }
        return object.members.flatMap { leaves($0.value, path.isEmpty ? $0.key : "\(path).\($0.key)") }
    }
}
