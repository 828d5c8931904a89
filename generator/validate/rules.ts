/** `error`: a device or IoT Hub refuses it. `warning`: it is taken, and does not do what it says. `info`: worth a look. */
export type Severity = 'error' | 'warning' | 'info'

interface Rule {
  readonly severity: Severity
  readonly title: string
  /** What the runtime does, and what somebody sees who deploys it. */
  readonly why: string
  readonly whatToDo: string
  /** Where the rule is written down: sections of deployment-manifests.md unless another file is named. */
  readonly facts: string
}

/** Every rule of `causeway validate`. Codes stay once they are released: pipelines filter by them. */
export const rules = {
  M001: {
    severity: 'error',
    title: 'The file is not JSON',
    why: 'Nothing can apply it. Milder cases have the same code as warnings: a byte order mark at the start, which some tools take for a character of the document; UTF-16, which az reads and most others do not; bytes that are no UTF-8; and a key that is there twice, of which every reader silently keeps the last.',
    whatToDo:
      'Mend the place that is named. Take comments and trailing commas out; save as UTF-8 without BOM; drop one of the two keys.',
    facts: '§6'
  },
  M002: {
    severity: 'error',
    title: 'There is no modulesContent',
    why: 'A deployment manifest is {"modulesContent": {…}} or {"content": {"modulesContent": {…}}}. The old name moduleContent is still taken by az, with a warning.',
    whatToDo: 'Put $edgeAgent, $edgeHub and the modules under modulesContent.',
    facts: '§1.1'
  },
  M003: {
    severity: 'error',
    title: 'A whole deployment lacks $edgeAgent or $edgeHub',
    why: 'IoT Hub takes a deployment with both, or a layer with dotted keys, and nothing in between.',
    whatToDo: 'Add the section with its properties.desired, or write a layer.',
    facts: '§1.1, azure-sdk.md §7'
  },
  M004: {
    severity: 'error',
    title: 'A section of modulesContent is not made of desired properties',
    why: 'Each section holds properties.desired, or keys that start with properties.desired. in a layer. An empty section, as exports have it, sets nothing: a remark. Dotted keys of a module beside a whole $edgeAgent go at scale only, and are refused for a single device: a warning.',
    whatToDo: 'Put the content of the section under properties.desired.',
    facts: '§1.4, §1.6'
  },
  M010: {
    severity: 'error',
    title: 'The schemaVersion is missing or not supported',
    why: '$edgeAgent takes 1.0 to 1.1.0 and answers 412 to all else; $edgeHub takes 1.0 to 1.3 and answers 400. The version is of the format, not of the runtime. A number such as 1.1 is read as the text that was meant: a warning. 1.0 as a number is 1, which is no version.',
    whatToDo: 'Write "1.1" in both.',
    facts: '§1.2, §1.3, connected-registry.md §8'
  },
  M011: {
    severity: 'error',
    title: 'runtime is not one that edgeAgent reads',
    why: 'runtime needs type "docker" and an object settings; anything else is a 400, and the device stays with its last deployment.',
    whatToDo: 'Write {"type": "docker", "settings": {…}}.',
    facts: '§1.2'
  },
  M012: {
    severity: 'error',
    title: 'systemModules is missing',
    why: 'edgeAgent reads its own module and that of edgeHub from there, and answers 400 without it.',
    whatToDo: 'Add systemModules with edgeAgent and edgeHub.',
    facts: '§1.2'
  },
  M013: {
    severity: 'error',
    title: 'A module has a field that edgeAgent does not read',
    why: 'type and settings are required, status too (but for edgeAgent). status is running or stopped; restartPolicy never, on-failure, on-unhealthy or always; imagePullPolicy on-create or never; startupOrder a whole number up to 4294967295; version a text. One mistake is a 400 for the whole deployment. A number in quotes, and a version without, are read all the same: a warning, since az refuses them.',
    whatToDo: 'Correct the field.',
    facts: '§1.2'
  },
  M014: {
    severity: 'warning',
    title: 'A name that published schemas refuse',
    why: "az and the editors check names of modules, credentials, routes and environment variables by Microsoft's schemas; the runtime itself is less strict.",
    whatToDo: 'Use letters, digits, - and _ in names of modules; none of . $ # and spaces in the others.',
    facts: '§1.2'
  },
  M015: {
    severity: 'error',
    title: 'A key or value that a twin cannot hold',
    why: 'Desired properties become a twin. Its keys hold no dot, dollar, space or control character and at most 1 KB, its values nest at most 10 deep, and whole numbers stay within 2^52. IoT Hub refuses the whole deployment otherwise.',
    whatToDo: 'Rename the key, or put the value into a text.',
    facts: 'azure-sdk.md §7'
  },
  M016: {
    severity: 'error',
    title: 'A name that can be no module of IoT Hub',
    why: "IoT Hub registers every module that a deployment names. Ids have 1 to 128 letters and digits of ASCII and - . + % _ # * ? ! ( ) , : = @ ; $ '; with another in it the whole deployment is refused.",
    whatToDo: 'Rename the module: letters, digits, - and _ are taken everywhere.',
    facts: 'IoT Hub documentation, identity registry'
  },
  M020: {
    severity: 'error',
    title: 'A route does not parse',
    why: 'A route is [SELECT *] FROM /path [WHERE condition] INTO sink. One bad route blocks the whole configuration of edgeHub: after its next start no message reaches IoT Hub.',
    whatToDo:
      'Mend the route at the place that is named. Sinks are $upstream and BrokeredEndpoint("/modules/<module>/inputs/<input>").',
    facts: '§0.2, §1.3'
  },
  M021: {
    severity: 'warning',
    title: 'A route leads to a module that is not deployed',
    why: 'edgeHub takes it and keeps the messages until their time to live is over.',
    whatToDo: "Correct the module's name, or deploy the module.",
    facts: '§1.3, §6'
  },
  M022: {
    severity: 'error',
    title: 'A route object under schemaVersion 1.0',
    why: 'edgeHub reads routes of version 1.0 as texts only, and refuses everything else.',
    whatToDo: 'Write schemaVersion "1.1" in $edgeHub, or the route as a text.',
    facts: '§1.3'
  },
  M023: {
    severity: 'error',
    title: "A route's priority is out of range",
    why: 'Priorities go from 0 (first) to 9; without one a route comes last (2000000000). A number in quotes is read too: a warning, since az refuses it.',
    whatToDo: 'Use 0 to 9, or leave it out.',
    facts: '§1.3'
  },
  M024: {
    severity: 'error',
    title: "A route's timeToLiveSecs is no number of seconds",
    why: 'It is a whole number from 0 to 4294967295; 0 stands for that of storeAndForwardConfiguration. A number in quotes is read too: a warning, since az refuses it.',
    whatToDo: 'Write whole seconds.',
    facts: '§1.3'
  },
  M025: {
    severity: 'error',
    title: 'storeAndForwardConfiguration is missing or wrong',
    why: "edgeHub requires it in every version, though az's schema calls it optional. timeToLiveSecs is a whole number (below 0: for ever), storeLimits.maxSizeBytes a number of bytes. Numbers in quotes are read too: a warning, since az refuses them.",
    whatToDo: 'Write {"timeToLiveSecs": 7200}.',
    facts: '§1.3, §1.8'
  },
  M026: {
    severity: 'warning',
    title: 'mqttBroker has no effect',
    why: 'The MQTT broker was a preview and left the runtime with version 1.3; the section is read and ignored.',
    whatToDo: 'Take it out.',
    facts: '§1.3'
  },
  M027: {
    severity: 'warning',
    title: 'Something stands behind the sink of a route',
    why: "edgeHub's grammar ends at the sink and never looks at what follows: a condition written there does not filter.",
    whatToDo: 'Put WHERE before INTO, and nothing after the sink.',
    facts: '§1.3 (Route.g4)'
  },
  M028: {
    severity: 'error',
    title: 'A route calls a function as edgeHub cannot compile it',
    why: 'The route parses, so the twin of edgeHub says 200; then compiling fails, and with one route the whole configuration: a running edgeHub keeps its old routes, one that starts has none. Each function takes as many arguments as it says, and edgeHub has no others than these: abs, exp, power, square, ceiling, floor, sign, sqrt, as_number, is_bool, is_defined, is_null, is_number, is_string, concat, length, lower, upper, substring, index_of, starts_with, ends_with, contains.',
    whatToDo: 'Correct the name, or the number of arguments.',
    facts: '§0.2, §1.3 (ConditionVisitor.cs, Evaluator.cs, TwinConfigSource.cs)'
  },
  M030: {
    severity: 'error',
    title: 'An image name that edgeAgent does not read',
    why: 'An image is [host[:port]/]path[:tag] or …@sha256:digest; blank names, empty parts and stray colons are a 400.',
    whatToDo: 'Correct the name.',
    facts: '§1.2'
  },
  M031: {
    severity: 'error',
    title: 'An image with a tag and a digest',
    why: "name:tag@sha256:… is fine for Docker and does not match edgeAgent's expression: 400.",
    whatToDo: 'Pin by digest or by tag.',
    facts: '§0.8'
  },
  M032: {
    severity: 'error',
    title: '$upstream without a port',
    why: 'edgeAgent replaces $upstream only where a port follows it ($upstream:8000/…), in images and in addresses of credentials, and refuses the deployment otherwise. Only config.toml takes it without.',
    whatToDo: "Add the port of the parent's API proxy.",
    facts: '§1.2, connected-registry.md §8'
  },
  M033: {
    severity: 'warning',
    title: 'No credential fits the registry of an image',
    why: "edgeAgent compares a credential's address with the first part of the image: equal but for case, port included. Where none fits, it pulls anonymously (or with the credential of config.toml).",
    whatToDo: 'Add a credential with exactly that address, or correct the port.',
    facts: '§0.7, connected-registry.md §8'
  },
  M034: {
    severity: 'warning',
    title: 'The address of a credential has a scheme or a path',
    why: 'An address is host[:port]. With https:// or a slash it equals no image, and pulls are anonymous.',
    whatToDo: 'Leave only host and port.',
    facts: '§0.7'
  },
  M035: {
    severity: 'error',
    title: 'A credential is blank or incomplete',
    why: 'address, username and password must be there and not blank; one that is not makes the whole deployment invalid (400). A number or boolean is read as a text: a warning, since az refuses it.',
    whatToDo: 'Fill it in, or take the credential out.',
    facts: '§1.2'
  },
  M036: {
    severity: 'warning',
    title: 'An image name that no container engine takes',
    why: 'edgeAgent reads names loosely and says 200; the engine then refuses the pull, again and again. Engines take host[:port]/path with a path in lower case, no scheme and no blanks, a tag of up to 128 letters, digits, _ . and -, or @sha256: and 64 hexadecimal digits.',
    whatToDo: 'Write the name as docker pull takes it.',
    facts: '§1.2; distribution/reference, regexp.go'
  },
  M040: {
    severity: 'error',
    title: 'createOptions is not JSON',
    why: 'edgeAgent joins createOptions, createOptions01 and so on, and parses the whole; "" and "null" mean none. What does not parse is a 400. Its reader bears with keys without quotes, single quotes, comments and a comma too many, which no other tool does: that is a warning.',
    whatToDo: 'Mend the JSON inside the text, or write an object in a template and let generate turn it into text.',
    facts: '§1.2, §0.10'
  },
  M041: {
    severity: 'error',
    title: 'The pieces of createOptions are not in a row',
    why: 'They are createOptions, createOptions01 … createOptions99 without a gap; createOptions00 does not exist.',
    whatToDo: 'Number the pieces from 01, two digits each.',
    facts: '§1.2'
  },
  M042: {
    severity: 'error',
    title: 'A value longer than 4096 bytes',
    why: 'IoT Hub refuses it: "Property or Tag value should be maximum 4096 bytes".',
    whatToDo: 'Cut createOptions into pieces of 512 (generate does it), and keep large configuration out of the twin.',
    facts: '§1.5'
  },
  M043: {
    severity: 'error',
    title: 'A twin larger than 32 KB',
    why: 'Desired and reported properties have 32 KB each. edgeAgent reports back what it was given with the state of each module, so its reported half is the first to overflow; that estimate is a warning.',
    whatToDo: 'Fewer modules, shorter createOptions and environments, settings as an artifact.',
    facts: '§1.5'
  },
  M044: {
    severity: 'error',
    title: 'createOptions has another shape than edgeAgent reads',
    why: 'It is JSON, but a list stands where an object belongs or the other way round: PortBindings is {"8080/tcp": [{"HostPort": "8080"}]}, Binds a list of texts, Privileged true or false. Newtonsoft does not deserialize it: 400 for the whole deployment.',
    whatToDo: 'Write it as in the Docker Engine API, "Create a container".',
    facts: '§1.2 (CreateContainerParameters.cs, HostConfig.cs, NetworkingConfig.cs)'
  },
  M045: {
    severity: 'warning',
    title: 'createOptions is an object',
    why: "edgeAgent turns it into text by itself, but az's schema and the portal take a text only, and the object must keep to a twin's rules for keys.",
    whatToDo: 'Write it as a text, or keep the object in a template and use generate.',
    facts: '§1.2 (DockerConfig.cs), azure-sdk.md §7'
  },
  M046: {
    severity: 'error',
    title: 'More than 50 modules',
    why: 'IoT Hub allows 50 modules on a device.',
    whatToDo: 'Split the work over devices, or join modules.',
    facts: '§1.5'
  },
  M050: {
    severity: 'warning',
    title: 'A placeholder that nothing has filled in',
    why: 'A finished deployment manifest goes to the device as it is: ${NAME} arrives as these characters. In images and credentials the marks of other tools are found too: #{NAME}#, {{NAME}}, $(NAME), __NAME__.',
    whatToDo: 'Expand the template first, with every variable set. Templates end in .template.json.',
    facts: '§1.7'
  },
  M051: {
    severity: 'error',
    title: '$upstream was expanded like a variable',
    why: 'Tools that expand environment variables in the raw text turn "INTO $upstream" into "INTO <value>" where a variable upstream is set.',
    whatToDo: 'Restore $upstream; expand with causeway generate, which leaves it alone.',
    facts: '§0.6'
  },
  M052: {
    severity: 'warning',
    title: 'A password in a template',
    why: 'Templates are kept in version control, and a password there is known to everybody who reads it.',
    whatToDo: 'Write a variable or ${secret:<token>} in its place, and rotate the password.',
    facts: '§6'
  },
  M053: {
    severity: 'info',
    title: 'A placeholder in angle brackets',
    why: 'Documentation writes <NAME> where the reader puts a value. It is checked as if it were filled in.',
    whatToDo: 'Fill it in before it is deployed.',
    facts: '§6'
  },
  M060: {
    severity: 'error',
    title: "A layer's priority is not above its base's",
    why: 'A layer applies only with a priority strictly higher than the base deployment: this one never does. A warning where the files have no targetCondition, and may be for different devices.',
    whatToDo: 'Raise the priority of the layer.',
    facts: '§1.6'
  },
  M061: {
    severity: 'error',
    title: 'Two layers of one priority touch the same thing',
    why: 'Which of them wins is not reliable, and may differ from device to device. A warning where the files have no targetCondition, and may be for different devices.',
    whatToDo: 'Give them different priorities.',
    facts: '§1.6'
  },
  M062: {
    severity: 'error',
    title: 'A layer configures a system module',
    why: 'edgeAgent, edgeHub and the runtime belong to the base deployment; a layer adds modules, routes and credentials. All of $edgeHub in a layer takes the place of the routes that the base has.',
    whatToDo: 'Move it to the base deployment.',
    facts: '§1.6'
  },
  M063: {
    severity: 'error',
    title: 'The priority of a deployment is none',
    why: 'It is a whole number from 0; IoT Hub takes nothing else, and the layers of one run cannot be compared without it. A number in quotes is compared all the same: a warning.',
    whatToDo: 'Write a whole number from 0, without quotes.',
    facts: '§1.6'
  },
  M064: {
    severity: 'warning',
    title: 'A layer sets what the runtime does not read',
    why: 'edgeAgent reads modules and runtime.settings.registryCredentials of a layer, edgeHub reads routes. IoT Hub puts any other key into the twin, where nobody looks at it: most often a name is misspelt.',
    whatToDo: 'Correct the key, as in properties.desired.modules.<module>.env.<NAME>.',
    facts: '§1.6'
  },
  M070: {
    severity: 'warning',
    title: 'A twin section for a module that is not deployed',
    why: 'IoT Hub sets the twin, and no module reads it: most often a name is misspelt.',
    whatToDo: 'Use the same name as in $edgeAgent, or take the section out.',
    facts: '§6'
  },
  M080: {
    severity: 'error',
    title: 'A value of another kind where an object belongs',
    why: 'Comments such as "_comment": "…" among modules, credentials or environment variables do not deserialize: edgeAgent answers 400.',
    whatToDo: 'Take the comment out. causeway generate leaves comments out; other tools do not.',
    facts: '§1.2'
  },
  M090: {
    severity: 'info',
    title: 'A debug image',
    why: 'Its tag ends in debug, and the file is not called a debug deployment.',
    whatToDo: 'Use the release image in production.',
    facts: '§6'
  },
  M091: {
    severity: 'info',
    title: 'An image that is not pinned',
    why: 'Without a tag edgeAgent adds :latest, and which image a device runs depends on the day it pulled.',
    whatToDo: 'Name a version or a digest.',
    facts: '§1.2, §6'
  },
  M092: {
    severity: 'info',
    title: 'Modules without log rotation',
    why: 'json-file logs grow until the disk is full, unless LogConfig or the engine limits them.',
    whatToDo: 'Set HostConfig.LogConfig with max-size and max-file.',
    facts: '§6'
  },
  M093: {
    severity: 'warning',
    title: "The API proxy's ports and routes do not fit",
    why: 'It listens on NGINX_DEFAULT_PORT and relays to the module named in CONNECTED_ACR_ROUTE_ADDRESS; another published port or module name answers nobody.',
    whatToDo: 'Publish the port of NGINX_DEFAULT_PORT, and name the module as it is deployed.',
    facts: '§2.1, §6'
  },
  M094: {
    severity: 'warning',
    title: 'The pull token may not read an image',
    why: 'IoT Edge pulls with one token for a registry, and its scope map holds the repositories of the runtime. The pull of any other is refused, again and again.',
    whatToDo:
      "Pull workloads from the device's own registry (127.0.0.1:<port>/…) with a client token, or import the image under one of these repositories.",
    facts: '§6, connected-registry.md §8'
  },
  M095: {
    severity: 'warning',
    title: 'The API proxy starts before the registry it relays to',
    why: 'It resolves the address of the registry only when it starts.',
    whatToDo: 'Give the registry a lower startupOrder than the API proxy.',
    facts: '§1.2'
  },
  M097: {
    severity: 'warning',
    title: 'A lower device looks for an image beyond the device above',
    why: 'Only the top layer reaches registries in the cloud. The module waits for its image, again and again.',
    whatToDo:
      'Import the image into the cloud registry (imports of the site file), add it to an image set, and name it by ${registry.address}/… in the template.',
    facts: '§2.1, connected-registry.md §6'
  }
} as const satisfies Readonly<Record<string, Rule>>

export type RuleCode = keyof typeof rules
