// Keys of other tools.

import FileSupport
import Testing

@testable import Training

@Suite struct ConfigurationAliasTests {
    private func resolve(_ yaml: String) throws -> TrainingConfiguration {
        let folder = try TemporaryFolder()
        return try .resolve([.file(folder.write(yaml, to: "run.yaml"))])
    }

    @Test func `an axolotl configuration is understood`() throws {
        let configuration = try resolve(
            """
            base_model: SmolLM2
            adapter: lora
            lora_r: 8
            lora_alpha: 16
            lora_target_linear: true
            datasets:
              - path: data.jsonl
                type: alpaca
            val_set_size: 0.05
            sequence_len: 512
            sample_packing: true
            micro_batch_size: 2
            gradient_accumulation_steps: 4
            num_epochs: 3
            optimizer: adamw_torch
            learning_rate: 2e-5
            lr_scheduler: cosine
            warmup_ratio: 0.1
            train_on_inputs: true
            max_steps: -1
            output_dir: out
            """)
        var expected = TrainingConfiguration()
        expected.model = "SmolLM2"
        expected.adapter.rank = 8
        expected.adapter.alpha = 16
        expected.data.training = "data.jsonl"
        expected.data.format = .alpaca
        expected.data.validationShare = 0.05
        expected.data.sequenceLength = 512
        expected.data.maskPrompt = false
        expected.batchSize = 2
        expected.gradientAccumulation = 4
        expected.epochs = 3
        expected.optimizer.learningRate = 2e-5
        expected.schedule.kind = .cosine
        expected.schedule.warmupRatio = 0.1
        expected.outputFolder = "out"
        #expect(configuration == expected)
    }

    @Test func `an mlx_lm configuration is understood`() throws {
        let configuration = try resolve(
            """
            model: base
            train: true
            fine_tune_type: lora
            data: folder
            optimizer: adamw
            num_layers: 16
            batch_size: 2
            iters: 100
            val_batches: -1
            steps_per_eval: 50
            save_every: 25
            adapter_path: adapters
            max_seq_length: 256
            lora_parameters: {keys: [self_attn.q_proj], rank: 8, scale: 20.0, dropout: 0.1}
            """)
        #expect(configuration.data.training == "folder")
        #expect(configuration.adapter.lastLayers == 16)
        #expect(configuration.steps == 100)
        #expect(configuration.validation.batches == nil)
        #expect(configuration.validation.interval == 50)
        #expect(configuration.checkpoints.interval == 25)
        #expect(configuration.outputFolder == "adapters")
        #expect(configuration.data.sequenceLength == 256)
        #expect(configuration.adapter.targets == ["self_attn.q_proj"])
        #expect(configuration.adapter.alpha == 160, "scale is alpha / rank")
        #expect(configuration.adapter.dropout == 0.1)
    }

    @Test func `what another tool can do and this one cannot is an error`() {
        #expect(throws: InputError.self) { try resolve("fine_tune_type: dora") }
        #expect(throws: InputError.self) { try resolve("optimizer: lion") }
        #expect(throws: InputError.self) { try resolve("adapter: qlora") }
        #expect(throws: InputError.self) { try resolve("datasets: [{path: a}, {path: b}]") }
        #expect(throws: InputError.self) { try resolve("lora_parameters: {scale: 2}") }
    }

    @Test(arguments: ["grad_checkpoint", "gradient_checkpointing"])
    func `activation checkpointing has the names of other tools`(name: String) throws {
        #expect(try resolve("\(name): true").activationCheckpointing)
        #expect(try !resolve("\(name): false").activationCheckpointing)
    }

    @Test func `one key under two names is an error`() {
        let error = #expect(throws: InputError.self) { try resolve("batch_size: 2\nmicro_batch_size: 4\n") }
        #expect(error?.problem == "the key is set twice, perhaps by two of its names")
    }

    @Test func `every alias points at a key that exists and hides none`() {
        let schema = TrainingConfiguration().document
        for alias in ConfigurationAlias.all where !alias.path.isEmpty {
            var node: JSONValue? = schema
            for key in alias.path.split(separator: ".") { node = node?[String(key)] }
            #expect(node != nil, "\(alias.name) -> \(alias.path)")
        }
        for alias in ConfigurationAlias.all { #expect(schema[alias.name] == nil, "\(alias.name)") }
        #expect(Set(ConfigurationAlias.all.map(\.name)).count == ConfigurationAlias.all.count)
    }
}
