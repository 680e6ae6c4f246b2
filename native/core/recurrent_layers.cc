// See recurrent_layers.h. The device is asked for when the model runs: a detector may be moved.
#include "recurrent_layers.h"

#include <array>
#include <string_view>

#include "graph_nodes.h"
#include "tap_op.h"

namespace nacue {

namespace {

constexpr std::array<std::string_view, 4> kRecurrent = {"aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu"};

void ReplaceArgument(torch::jit::Graph& graph, torch::jit::Node* node, const char* name, c10::Symbol symbol) {
  const size_t index = *node->schema().argumentIndexWithName(name);
  torch::jit::Value* const given = node->input(index);
  torch::jit::Node* const asked = graph.create(symbol, {given, node->input(0)}, /*num_outputs=*/1);
  asked->output()->setType(given->type());
  asked->insertBefore(node);
  node->replaceInput(index, asked->output());
}

}  // namespace

void TrainRecurrentLayersOnCuda(torch::jit::Graph& graph) {
  ForEachNode(graph.block(), [&](torch::jit::Node* node, bool /*is_certain*/) {
    const std::string_view kind = node->kind().toQualString();
    if (std::find(kRecurrent.begin(), kRecurrent.end(), kind) == kRecurrent.end()) return;
    ReplaceArgument(graph, node, "dropout", RegisteredTapSymbols().recurrent_dropout);
    ReplaceArgument(graph, node, "train", RegisteredTapSymbols().recurrent_train);
  });
}

}  // namespace nacue
