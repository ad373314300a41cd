// Thunderbird sends itself a message and fetches it.
const steps = {
  async open(config) {
    await begin(config);
    return names();
  },

  send: sendFile,

  // It is told when the message is there.
  async fetch({ subject }) {
    const inbox = special(Inbox);
    const header = await appears(() => message(inbox, subject));
    return read(inbox, header);
  },
};
