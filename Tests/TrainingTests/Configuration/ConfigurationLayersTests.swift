// Defaults, files, assignments and flags on top of each other, and what is said when they are wrong.

import FileSupport
import Foundation
import Testing

@testable import Training

@Suite struct ConfigurationLayersTests {
    private func resolve(_ layers: ConfigurationLayer...) throws -> TrainingConfiguration {
        try TrainingConfiguration.resolve(layers)
    }

    private func message(_ text: String, name: String = "run.yaml") throws -> String {
        let folder = try TemporaryFolder()
        let path = try folder.write(text, to: name)
        var message = ""
        do {
            _ = try resolve(.file(path))
        } catch let error as InputError {
            message = error.description.replacingOccurrences(of: path, with: name)
        }
        return message
    }

    @Test func `no layers give the defaults`() throws {
        #expect(try resolve() == TrainingConfiguration())
    }

    @Test func `later layers win and leave the rest alone`() throws {
        let folder = try TemporaryFolder()
        let file = try folder.write(
            """
            model: base
            optimizer:
              learning_rate: 1e-4   # text to a YAML 1.1 reader
              beta2: 0.99
            adapter: {rank: 8, targets: [q_proj, v_proj]}
            """, to: "run.yaml")
        let configuration = try resolve(
            .file(file), .assignment("optimizer.learning_rate=3e-4"), .assignment("adapter.layers=[0, 2]"),
            ConfigurationLayer(name: "--rank", path: "adapter.rank", value: .integer(4)))
        #expect(configuration.model == "base")
        #expect(configuration.optimizer.learningRate == 3e-4)
        #expect(configuration.optimizer.beta2 == 0.99)
        #expect(configuration.optimizer.beta1 == TrainingConfiguration().optimizer.beta1)
        #expect(configuration.adapter.rank == 4)
        #expect(configuration.adapter.targets == ["q_proj", "v_proj"])
        #expect(configuration.adapter.layers == [0, 2])
    }

    @Test func `JSON and YAML give the same configuration`() throws {
        let folder = try TemporaryFolder()
        let yaml = try folder.write("seed: 7\nadapter:\n  rank_pattern: {Wq: 4}\n", to: "run.yml")
        let json = try folder.write(#"{"seed": 7, "adapter": {"rank_pattern": {"Wq": 4}}}"#, to: "run.json")
        let configuration = try resolve(.file(yaml))
        #expect(configuration == (try resolve(.file(json))))
        #expect(configuration.adapter.rankPattern == ModulePatterns([.init("Wq", 4)]))
    }

    @Test func `the document of a configuration reads back as the same configuration`() throws {
        var configuration = TrainingConfiguration()
        configuration.seed = .max
        configuration.steps = 12
        configuration.adapter.rankPattern = ModulePatterns([.init("z.Wq", 4), .init("a.Wq", 8)])
        configuration.adapter.layers = [1]
        configuration.data.overlong = .truncate
        let text = configuration.document.serialized(pretty: true)
        let document = try JSONParser.parse(text, location: "document")
        #expect(try TrainingConfiguration(document: document, location: "document") == configuration)
        #expect(document["validation"]?["interval"] == .null, "an unset key is written too")
    }

    @Test func `a layer that sets epochs overrules steps from a layer beneath`() throws {
        let configuration = try resolve(.assignment("steps=100"), .assignment("epochs=2"))
        #expect(configuration.steps == nil)
        #expect(configuration.epochs == 2)
        #expect(try resolve(.assignment("epochs=2"), .assignment("steps=100")).steps == 100)
    }

    @Test func `an unknown key is an error that offers the nearest`() throws {
        #expect(
            try message("optimizer:\n  learning_rte: 1\n")
                == "run.yaml key optimizer.learning_rte: there is no such key. Did you mean \"learning_rate\"?"
        )
        #expect(
            try message("lora_alhpa: 1\n")
                == "run.yaml key lora_alhpa: there is no such key. Did you mean \"lora_alpha\"?")
        #expect(
            try message("rank: 1\n")
                == "run.yaml key rank: there is no such key. Did you mean \"adapter.rank\"?")
        #expect(
            try message("checkpoints: {zebra: 1}")
                == "run.yaml key checkpoints.zebra: there is no such key. Known keys are interval, keep.")
        #expect(throws: InputError("--set seed.x=1 key seed.x", "seed is one value and has no keys below it"))
        {
            try resolve(.assignment("seed.x=1"))
        }
    }

    @Test func `a wrong type names the key path, what was expected and what was found`() throws {
        #expect(
            try message("optimizer: {learning_rate: fast}")
                == "run.yaml key optimizer.learning_rate: expected a number, found the text \"fast\"")
        #expect(
            try message("batch_size: 2.5") == "run.yaml key batch_size: expected a whole number, found 2.5")
        #expect(
            try message("seed: -1") == "run.yaml key seed: expected a whole number of zero or more, found -1")
        #expect(
            try message("data: {mask_prompt: yes}")
                == "run.yaml key data.mask_prompt: expected true or false, found the text \"yes\"")
        #expect(
            try message("adapter: {layers: [0, one]}")
                == "run.yaml key adapter.layers.1: expected a whole number, found the text \"one\"")
        #expect(
            try message("model: 7") == "run.yaml key model: expected text, found 7. Put it in quotes.")
        #expect(
            try message("schedule: 5").hasPrefix(
                "run.yaml key schedule: expected an object of keys, found a number"))
        #expect(
            try message("schedule: {kind: cosin}")
                == "run.yaml key schedule.kind: expected one of constant, linear, cosine, found \"cosin\". "
                + "Did you mean \"cosine\"?")
    }

    @Test func `a value out of range is blamed on the layer that set it`() throws {
        let error = #expect(throws: InputError.self) {
            try resolve(.assignment("adapter.rank=0"), .assignment("seed=1"))
        }
        #expect(error?.description == "--set adapter.rank=0 key adapter.rank: expected 1 to 65536, found 0")
    }

    @Test(arguments: [
        "epochs=0", "steps=0", "batch_size=0", "gradient_accumulation=0", "data.sequence_length=1",
        "data.validation_share=1.5", "optimizer.learning_rate=0", "optimizer.beta1=1", "optimizer.beta2=-0.1",
        "optimizer.epsilon=0", "optimizer.weight_decay=-1", "optimizer.max_gradient_norm=-1",
        "schedule.warmup_ratio=100", "schedule.warmup_steps=-1", "schedule.minimum_ratio=2",
        "adapter.alpha=0",
        "adapter.dropout=1", "adapter.targets=[]", "adapter.last_layers=0", "validation.interval=0",
        "validation.batches=0", "checkpoints.interval=0", "checkpoints.keep=0", "epochs=.inf", "epochs=1e999",
        "sparsity.plan=1.5", "sparsity.plan=0", "sparsity.plan=-0.2", "sparsity.plan='nan'",
        "sparsity.plan='inf'", "sparsity.plan=[1]", "sparsity.loss_bound=0", "sparsity.calibration_tokens=1",
        "sparsity.refit_step=-1", "sparsity.refit_step=.inf",
    ])
    func `values that make no sense are refused`(assignment: String) {
        #expect(throws: InputError.self) { try resolve(.assignment(assignment)) }
    }

    @Test(arguments: [
        ("auto", SparsityChoice.automatic), ("0.6", .share(0.6)), ("1", .share(1)), ("'0.6'", .share(0.6)),
        ("plan.yaml", .file("plan.yaml")), ("./0.6", .file("./0.6")),
    ])
    func `sparsity is a word, a number or a file, and is read as it was written`(
        text: String, choice: SparsityChoice
    ) throws {
        let configuration = try resolve(.assignment("sparsity.plan=\(text)"))
        #expect(configuration.sparsity.plan == choice)
        #expect(try TrainingConfiguration(document: configuration.document, location: "run") == configuration)
    }

    @Test func `a configuration made in code is checked as well`() throws {
        var configuration = TrainingConfiguration()
        try configuration.validate()
        configuration.batchSize = 0
        let error = #expect(throws: InputError.self) { try configuration.validate() }
        #expect(error?.description == "configuration key batch_size: expected 1 to 65536, found 0")
    }

    @Test func `an assignment without a value or key is an error`() {
        #expect(throws: InputError.self) { try resolve(.assignment("seed")) }
        #expect(throws: InputError.self) { try resolve(.assignment("=1")) }
        #expect(throws: InputError.self) { try resolve(.assignment("seed=[1")) }
    }
}
