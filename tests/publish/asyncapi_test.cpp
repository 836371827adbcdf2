#include "publish/asyncapi.h"

#include <doctest/doctest.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "publish/schemas.h"
#include "publish/topics.h"

namespace spreadwatch::publish {
namespace {

TEST_CASE("asyncapi.yaml is the document of the topics and schemas in code") {
  const std::string path = std::string{SPREADWATCH_SOURCE_DIR} + "/asyncapi.yaml";
  const std::string made = asyncapi_document(config::KafkaSettings{}.prefix);
  // SPREADWATCH_WRITE_ASYNCAPI=1 writes the file anew.
  if (std::getenv("SPREADWATCH_WRITE_ASYNCAPI") != nullptr) std::ofstream(path) << made;
  std::ifstream file(path);
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  CHECK((kept == made));
}

TEST_CASE("the AsyncAPI document is YAML that has every topic and follows its own references") {
  const YAML::Node document = YAML::Load(asyncapi_document("desk1-"));
  CHECK(document["asyncapi"].as<std::string>() == "3.0.0");
  for (const TopicIdentity& topic : kTopics) {
    const std::string name{topic.name};
    CAPTURE(name);
    const YAML::Node channel = document["channels"][name];
    CHECK(channel.IsDefined() == has_schema(topic.type));
    if (!channel.IsDefined()) continue;
    const std::string type{topic.type};
    CHECK(channel["address"].as<std::string>() == "desk1-" + name);
    CHECK(channel["bindings"]["kafka"]["partitions"].as<int>() == topic.partitions);
    CHECK(channel["messages"][type]["$ref"].as<std::string>() == "#/components/messages/" + type);
    const YAML::Node message = document["components"]["messages"][type];
    CHECK(message["payload"]["schema"]["$id"].as<std::string>() == schema_id(topic.type));
    CHECK(document["operations"]["send." + name]["messages"][0]["$ref"].as<std::string>() ==
          "#/channels/" + name + "/messages/" + type);
  }
}

}  // namespace
}  // namespace spreadwatch::publish
