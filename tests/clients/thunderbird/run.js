// Does the step that is asked for.
const [step, config, finish] = arguments;
steps[step](config).then(shown => finish({ shown }), error => finish({ error: String(error) + "\n" + error.stack }));
