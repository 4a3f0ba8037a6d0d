// Configurations of families: rope of every kind, traits by key, and model types that are not supported.

import Checkpoints
import FileSupport
import Foundation
import TensorEngine
import TestSupport
import Testing

@testable import Models

@Suite("Family configurations")
struct FamilyConfigurationTests {
    private func configuration(_ folder: String, _ changes: String = "{}") throws -> DecoderConfiguration {
        let path = GoldenFolder("family-\(folder)").file("config.json")
        var object = try #require(try JSONParser.parse(fileAt: path).objectValue)
        for (key, value) in try #require(try JSONParser.parse(changes, location: "").objectValue).members {
            object[key] = value
        }
        let fields = ConfigurationFields(object, location: "config.json")
        return try DecoderConfiguration(
            fields, family: Family.named(modelType: fields.string("model_type"), location: ""))
    }

    @Test func ropeScalingOfOlderFilesMeansTheSame() throws {
        let yarn = #"{"type": "yarn", "factor": 4, "original_max_position_embeddings": 32}"#
        #expect(
            try configuration(
                "llama-yarn", #"{"rope_parameters": null, "rope_theta": 1e4, "rope_scaling": \#(yarn)}"#
            ).rotary == configuration("llama-yarn").rotary)
        let dynamic = #"{"rope_parameters": null, "rope_scaling": {"type": "dynamic", "factor": 4.0}}"#
        #expect(try configuration("llama-dynamic", dynamic).rotary == configuration("llama-dynamic").rotary)
        // Phi-3's first files say "su", and "yarn" for the same.
        let longrope = try configuration("phi3-longrope").rotary
        for type in ["su", "yarn", "longrope"] {
            let older =
                #"{"type": "\#(type)", "short_factor": [1, 1.125, 1.5], "long_factor": [1.25, 2.5, 6]}"#
            let changes = #"{"rope_parameters": null, "rope_theta": 10000, "rope_scaling": \#(older)}"#
            let partly = changes.dropLast() + #", "partial_rotary_factor": 0.75}"#
            #expect(try configuration("phi3-longrope", String(partly)).rotary == longrope)
        }
    }

    @Test func attentionFactorsFollowFromTheFactorWhereNoneIsStated() throws {
        // 0.1 ln 4 + 1
        #expect(try configuration("llama-yarn").rotary.attentionFactor == 1.1386294)
        let options = try configuration("qwen3-yarn-options").rotary.attentionFactor
        #expect(abs(options - (0.075 * 1.3862944 + 1) / (0.05 * 1.3862944 + 1)) < 1e-6)
        // sqrt(1 + ln 4 / ln 16)
        #expect(
            abs(try configuration("phi3-longrope").rotary.attentionFactor - Float(1.5).squareRoot()) < 1e-6)
        let stated = #"{"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "attention_factor": 0.5}}"#
        #expect(try configuration("llama-yarn", stated).rotary.attentionFactor == 0.5)
    }

    @Test func longropeChoosesByTheLengthOfEachSequence() throws {
        let rotary = try configuration("phi3-longrope").rotary
        #expect(rotary.width == 6)
        #expect(rotary.frequencyLength(ofSequence: 16) == 0 && rotary.frequencyLength(ofSequence: 17) == 1)
        #expect(rotary.frequencies(length: 1)[0] == 1 / 1.25 && rotary.frequencies[0] == 1)
        #expect(rotary.changesCachedKeys(from: 16, to: 17) && !rotary.changesCachedKeys(from: 17, to: 18))
    }

    @Test(
        "rope parameters that do not hold together are errors that name the key",
        arguments: [
            ("llama-yarn", #"{"rope_type": "axial"}"#, "rope_type"),
            ("llama-yarn", #"{"type": "mrope"}"#, "type"),
            ("llama-yarn", #"{"rope_type": "yarn", "factor": 0}"#, "factor"),
            ("llama-yarn", #"{"rope_type": "yarn", "factor": 2, "beta_fast": -1}"#, "beta_fast"),
            (
                "llama-yarn", #"{"rope_type": "yarn", "factor": 2, "attention_factor": 1e9}"#,
                "attention_factor"
            ),
            ("llama-yarn", #"{"rope_type": "yarn", "factor": 2, "truncate": 1}"#, "truncate"),
            ("llama-yarn", #"{"rope_type": "yarn", "factor": 2, "rope_theta": 1}"#, "rope_theta"),
            ("llama-dynamic", #"{"rope_type": "dynamic"}"#, "factor"),
            ("llama-dynamic", #"{"rope_type": "dynamic", "factor": -4}"#, "factor"),
            ("phi3-longrope", #"{"rope_type": "longrope", "short_factor": [1, 1]}"#, "short_factor"),
            (
                "phi3-longrope",
                #"{"rope_type": "longrope", "short_factor": [1, 1, 1], "long_factor": [1, 0, 1]}"#,
                "long_factor"
            ),
            ("phi3", #"{"partial_rotary_factor": 0.4}"#, "partial_rotary_factor"),
            ("phi3", #"{"partial_rotary_factor": 2}"#, "partial_rotary_factor"),
            ("granite", #"{"partial_rotary_factor": 0.5}"#, "partial_rotary_factor"),
        ])
    func ropeErrors(folder: String, parameters: String, key: String) throws {
        let error = try #require(throws: InputError.self) {
            try configuration(folder, #"{"rope_parameters": \#(parameters)}"#)
        }
        #expect(error.description.contains(key), "\(error)")
    }

    @Test(
        "traits out of range are errors that name the key",
        arguments: [
            ("smollm3", "no_rope_layers", "[1, 1]"), ("smollm3", "no_rope_layers", "[1, 1, 2, 0]"),
            ("smollm3", "no_rope_layers", "1"), ("granite", "logits_scaling", "0"),
            ("granite", "residual_multiplier", "-1"), ("granite", "embedding_multiplier", "1e30"),
            ("granite", "attention_multiplier", #""big""#),
            ("phi3-longrope", "original_max_position_embeddings", "0"),
        ])
    func traitErrors(folder: String, key: String, value: String) throws {
        let error = try #require(throws: InputError.self) {
            try configuration(folder, #"{"\#(key)": \#(value)}"#)
        }
        #expect(error.location.contains(key), "\(error)")
    }

    @Test func layersThatDoNotRotateAreListedOrEveryFourth() throws {
        #expect(try configuration("smollm3").unrotatedLayers == [3])
        #expect(
            try configuration("smollm3", #"{"no_rope_layers": null}"#).unrotatedLayers == [3])
        #expect(
            try configuration("smollm3", #"{"no_rope_layers": null, "no_rope_layer_interval": 2}"#)
                .unrotatedLayers
                == [1, 3])
        #expect(try configuration("smollm3-windows").windows == [6, 0, 6])
    }

    @Test(
        "a model type that is not supported is named, with what is missing",
        arguments: [
            ("mamba", "state-space"), ("mixtral", "mixtures of experts"),
            ("deepseek_v3", "latent attention is missing, and so are mixtures of experts"),
            ("qwen2_5_vl", "images or sound"), ("bert", "encoders"),
            ("a_type_of_tomorrow", "is not supported"),
        ])
    func unsupportedTypes(type: String, missing: String) throws {
        try withTemporaryFolder { folder in
            try AtomicFile.write(to: "\(folder)/config.json", text: #"{"model_type": "\#(type)"}"#)
            let error = try #require(throws: InputError.self) { try ModelSource(path: folder) }
            #expect(error.problem.hasPrefix("the model type \"\(type)\" is not supported"))
            #expect(error.problem.contains(missing))
            #expect(error.advice?.hasPrefix("Supported: llama, mistral, qwen2, ") == true)
        }
    }

    @Test func anUnknownTypeIsToldByItsKeys() throws {
        for (keys, missing) in [
            (#""num_local_experts": 8"#, "mixtures of experts"),
            (#""kv_lora_rank": 512"#, "latent attention"),
            (#""vision_config": {}"#, "images or sound"), (#""is_encoder_decoder": true"#, "encoders"),
        ] {
            try withTemporaryFolder { folder in
                try AtomicFile.write(
                    to: "\(folder)/config.json", text: #"{"model_type": "novel", \#(keys)}"#)
                let error = try #require(throws: InputError.self) { try ModelSource(path: folder) }
                #expect(error.problem.contains(missing), "\(error)")
            }
        }
    }

    /// Whatever a number is replaced by, the answer is a model or an error.
    @Test(
        "no value of any key crashes",
        arguments: [
            "qwen3-yarn-options", "gemma3-older-config", "phi3-longrope", "smollm3-windows", "granite",
        ])
    func anyValue(folder: String) throws {
        let golden = GoldenFolder("family-\(folder)")
        let original = try #require(try JSONParser.parse(fileAt: golden.file("config.json")).objectValue)
        let values = try [
            "-1", "0", "1", "3", "0.5", "1e308", "9e18", #""x""#, "[]", "[null]", "{}", "true", "null",
        ]
        .map { try JSONParser.parse($0, location: "value") }
        func documents(_ object: JSONObject, depth: Int) -> [JSONObject] {
            object.members.flatMap { key, value in
                var changed = values
                if depth < 3, let inner = value.objectValue {
                    changed += documents(inner, depth: depth + 1).map { .object($0) }
                }
                return changed.map { value in
                    var copy = object
                    copy[key] = value
                    return copy
                }
            }
        }
        let text = JSONValue.object(original).serialized()
        var (models, errors) = (0, 0)
        try withTemporaryFolder { temporary in
            try FileManager.default.createSymbolicLink(
                atPath: "\(temporary)/model.safetensors",
                withDestinationPath: golden.file("model.safetensors"))
            for document in documents(original, depth: 0) {
                let changed = JSONValue.object(document).serialized()
                if changed == text { continue }
                try Data(changed.utf8).write(to: URL(fileURLWithPath: "\(temporary)/config.json"))
                do {
                    let model = try CausalLM(
                        ModelSource(path: temporary), computeType: .float32, backend: CPUBackend())
                    if models.isMultiple(of: 8) { _ = try model.logits(PackedSequences([[1, 2, 3, 4]])) }
                    models += 1
                } catch is InputError {
                    errors += 1
                }
            }
        }
        #expect(models > 20 && errors > 50)
    }

    @Test("the decoder of a model of images and text is read under each of its names")
    func wrappedNames() throws {
        let golden = GoldenFolder("family-gemma3-wrapped")
        let source = try SafetensorsFile(path: golden.file("model.safetensors"))
        let newer = try source.tensorNames.map { name in
            OutputTensor(try source.tensor(named: name), name: DecoderNames.newer(name) ?? name)
        }
        #expect(newer.contains { $0.name == "model.language_model.layers.0.mlp.up_proj.weight" })
        try withTemporaryFolder { folder in
            try SafetensorsWriter.write(newer, to: "\(folder)/model.safetensors")
            let text = try JSONParser.parse(fileAt: golden.file("config.json")).serialized()
            try AtomicFile.write(to: "\(folder)/config.json", text: text)
            let model = try CausalLM(
                ModelSource(path: folder), computeType: .float32, backend: CPUBackend())
            let expected = try golden.tensors()
            let logits = try model.logits(PackedSequences([expected.integers("tokens.0")]))
            #expect(try largestDifference(logits, expected.floats("logits.0")) < 1e-4)
        }
        // Without its text_config there is nothing to read.
        try withTemporaryFolder { folder in
            try AtomicFile.write(
                to: "\(folder)/config.json", text: #"{"model_type": "gemma3", "vision_config": {}}"#)
            let error = try #require(throws: InputError.self) { try ModelSource(path: folder) }
            #expect(error.problem.contains("images or sound"))
        }
    }
}
