#include "engine/run/experiment_parts.h"

namespace engine {

void FileKeys::keys(Keys& keys) {
  keys.string("$schema", schema,
              {.doc = "The schema's path, for editors (`engine schema` prints it); not read."});
  keys.string("extends", extends,
              {.doc = "A file that this one changes, relative to this one. Objects are merged, "
                      "arrays replaced, null takes a key away; an object for \"preprocess\" "
                      "addresses stages by name."});
}

void experiment_keys(Keys& keys, Experiment& experiment) {
  keys.string("name", experiment.name,
              {.doc = "Name of the run folder; the file's name when absent."});
  keys.string("description", experiment.description, {.doc = "For readers."});
  keys.integer("seed", experiment.seed,
               {.doc = "Every random number of the run follows from it.",
                .minimum = 0,
                .maximum = 4294967295.0});
  keys.choice("precision", experiment.precision,
              {{"fp32", Precision::fp32}, {"tf32", Precision::tf32}, {"bf16", Precision::bf16}},
              {.doc = "Arithmetic of the network: fp32 is IEEE single precision; tf32 and bf16 "
                      "(with fp32 master weights) need a CUDA device."});
  keys.object("data", [&](Keys& k) { experiment.data.keys(k); },
              {.doc = "The images.", .required = true});
  keys.section("preprocess", "preprocess",
               {.doc = "Stages that every image goes through, in this order."});
  keys.section("network", "network", {.doc = "The graph of ops.", .required = true});
  keys.object("train", [&](Keys& k) { experiment.train.keys(k); },
              {.doc = "How the network is trained."});
  keys.object("log", [&](Keys& k) { experiment.log.keys(k); },
              {.doc = "What a run leaves for people and other programs; changes no number."});
  bool given = !experiment.initialize_from.empty();
  keys.object(
      "initialize",
      [&](Keys& k) {
        k.string(
            "from", experiment.initialize_from,
            {.doc = "Weights (.safetensors) or a run folder to start from.", .required = true});
      },
      {.doc =
           "Where the parameters come from; absent: each op's initializers, drawn from the seed."},
      &given);
}

void TrainConfig::keys(Keys& keys) {
  keys.integer("epochs", epochs,
               {.doc = "Passes over the training images, at most.", .minimum = 1, .maximum = 1e6});
  keys.integer("batch_size", batch_size,
               {.doc = "Images of a training step; the last of an epoch may have fewer.",
                .minimum = 1,
                .maximum = 65536});
  keys.integer("evaluation_batch_size", evaluation_batch_size,
               {.doc = "Images at a time in validation and test; does not change results.",
                .minimum = 1,
                .maximum = 65536});
  keys.boolean("shuffle", shuffle, {.doc = "A new order of the training images each epoch."});
  keys.number("label_smoothing", label_smoothing,
              {.doc = "Share of the target that is spread evenly over all classes.",
               .minimum = 0,
               .maximum = 1,
               .exclusive_maximum = true});
  keys.section("optimizer", "optimizer", {.doc = "The optimizer; adam when absent."});
  keys.object("schedule", [this](Keys& k) { schedule.keys(k); },
              {.doc = "The learning rate over the run, as a share of the optimizer's."});
  keys.object(
      "early_stopping", [this](Keys& k) { early_stopping.keys(k); },
      {.doc = "Stops when validation no longer improves; absent: runs all epochs."},
      &early_stopping.enabled);
  keys.object("checkpoint", [this](Keys& k) { checkpoint.keys(k); },
              {.doc = "When the state is saved, besides the end of each epoch."});
}

void LogConfig::keys(Keys& keys) {
  keys.boolean("report", report,
               {.doc = "The report `report.html`, its figures in `pictures/` and `tables/`; false "
                       "saves their time and space in sweeps of very many runs."});
  keys.boolean("tensorboard", tensorboard,
               {.doc = "Events for TensorBoard in `tensorboard/`: scalars of each epoch, pictures, "
                       "hyper-parameters."});
}

void EarlyStopping::keys(Keys& keys) {
  keys.choice("monitor", monitor,
              {{"validation_loss", Monitor::validation_loss},
               {"validation_accuracy", Monitor::validation_accuracy}},
              {.doc = "The figure that has to improve; it also chooses the best epoch."});
  keys.integer("patience", patience,
               {.doc = "Stop after so many epochs in a row without improvement.",
                .minimum = 0,
                .maximum = 1e6});
  keys.number("min_delta", min_delta,
              {.doc = "A smaller change is no improvement.", .minimum = 0, .maximum = 1e6});
  keys.boolean("restore_best", restore_best,
               {.doc = "End with the weights of the best epoch, not of the last."});
}

void CheckpointConfig::keys(Keys& keys) {
  keys.integer("every_steps", every_steps,
               {.doc = "Also save every so many steps; 0: at the end of each epoch only.",
                .minimum = 0,
                .maximum = 1e12});
  keys.number("every_seconds", every_seconds,
              {.doc = "Also save when so much time has passed since the last; 0: never by time.",
               .minimum = 0,
               .maximum = 1e9});
}

}  // namespace engine
